#include "runtime/process/node_core.h"

#include <algorithm>
#include <utility>

#include "base/answer_wait.h"
#include "base/plain_text.h"
#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"

namespace nephrite {
namespace {

template <class Reply, class Start>
Reply await(Database& database, const Start& start) {
  const auto wait = std::make_shared<AnswerWait<Reply>>();
  AnswerFetch fetch(database.answers());
  try {
    start([wait](const Reply& reply) { wait->complete(reply); });
  } catch (const SystemException&) {
    throw;
  } catch (const std::exception& failure) {  // A store's, as in a call of a process.
    Reply failed;
    failed.failure = failureOf(failure);
    return failed;
  }
  fetch.await(*wait);
  return wait->get();
}

}  // namespace

NodeCore::NodeCore(std::shared_ptr<Database> database, const NodeSignOn& who,
                   std::function<void()> closed)
    : database_(std::move(database)),
      who_(who),
      afterClose_(std::move(closed)),
      info_(signOnNode()) {}

NodeCore::~NodeCore() {
  logFailure("node.failed", who_.name, [this] { close(); });
}

NodeInfo NodeCore::signOnNode() const {
  const auto reply = await<NodeReply>(
      *database_, [&](auto done) { database_->signOnNode(who_, std::move(done)); });
  if (reply.failure) throwError(*database_, reply.failure->code, Oid(), reply.failure->what);
  if (!reply.node) {
    throw SignOnException("node \"" + plainText(who_.name) + "\"",
                          factsOf(*database_, reply.lock, LockTimeout::serverDefined()));
  }
  return *reply.node;
}

NodeInfo NodeCore::info() const {
  MutexLock hold(mutex_);
  return info_;
}

ProcessInfo NodeCore::signOn(ProcessSignOn who) {
  const std::string& name = who.name;
  for (bool anew = false;; anew = true) {
    bool closed = false;
    {
      MutexLock hold(mutex_);
      who.node = info_.oid;
      closed = closed_;
    }
    ProcessReply reply;
    reply.lock.outcome = LockOutcome::Cancelled;
    if (!closed) {
      reply = await<ProcessReply>(
          *database_, [&](auto done) { database_->signOnProcess(who, std::move(done)); });
    }
    if (reply.process) return *reply.process;
    if (reply.failure) throwError(*database_, reply.failure->code, Oid(), reply.failure->what);
    if (reply.lock.outcome != LockOutcome::Cancelled) {
      throw SignOnException("process \"" + plainText(name) + "\"",
                            factsOf(*database_, reply.lock, LockTimeout::serverDefined()));
    }
    if (closed || anew) {
      throw UsageException(ErrorCode::NotSignedOn, "process \"" + plainText(name) +
                                                       "\" cannot sign on: node \"" +
                                                       plainText(who_.name) + "\" has signed off");
    }
    // Two processes may find this out at once: the later one's node goes again.
    const NodeInfo fresh = signOnNode();
    if (!replace(who.node, fresh)) database_->signOffNode(fresh.oid);
  }
}

bool NodeCore::replace(Oid gone, const NodeInfo& fresh) {
  MutexLock hold(mutex_);
  if (closed_ || info_.oid != gone) return false;
  info_ = fresh;
  return true;
}

void NodeCore::remember(const std::shared_ptr<ProcessCore>& process) {
  {
    MutexLock hold(mutex_);
    if (!closed_) {
      if (processes_.size() >= sweepAt_) {
        std::erase_if(processes_, [](const auto& known) { return known.expired(); });
        sweepAt_ = std::max(kFewProcesses, 2 * processes_.size());
      }
      processes_.push_back(process);
      return;
    }
  }
  process->signOff();  // The node closed while it signed on.
}

void NodeCore::close() {
  std::vector<std::weak_ptr<ProcessCore>> processes;
  Oid node;
  {
    MutexLock hold(mutex_);
    if (closed_) return;
    closed_ = true;
    node = info_.oid;
    processes.swap(processes_);
  }
  for (const auto& known : processes) {
    if (const auto process = known.lock()) process->signOff();
  }
  database_->signOffNode(node);
  // Callbacks hold on to their process, and it to the database: when we return, the last of them
  // is over, and the owner of the database can close it.
  callbacks_.stop();
  if (afterClose_) afterClose_();
}

}  // namespace nephrite
