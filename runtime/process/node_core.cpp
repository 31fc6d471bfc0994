#include "runtime/process/node_core.h"

#include <algorithm>
#include <utility>

#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"
#include "runtime/process/step_wait.h"

namespace nephrite {
namespace {

template <class Reply, class Start>
Reply await(const Start& start) {
  const auto wait = std::make_shared<StepWait<Reply>>();
  start([wait](const Reply& reply) { wait->settle(reply); });
  return wait->get();
}

}  // namespace

NodeCore::NodeCore(std::shared_ptr<Database> database, const std::string& name)
    : database_(std::move(database)) {
  const auto reply =
      await<NodeReply>([&](auto done) { database_->signOnNode(name, std::move(done)); });
  if (!reply.node) {
    throw SignOnException("node \"" + name + "\"",
                          factsOf(*database_, reply.lock, LockTimeout::serverDefined()));
  }
  info_ = *reply.node;
}

NodeCore::~NodeCore() { close(); }

ProcessInfo NodeCore::signOn(const std::string& name, const std::string& user, bool background) {
  ProcessSignOn who;
  who.node = info_.oid;
  who.name = name;
  who.user = user;
  who.background = background;
  const auto reply =
      await<ProcessReply>([&](auto done) { database_->signOnProcess(who, std::move(done)); });
  if (reply.process) return *reply.process;
  if (reply.lock.outcome == LockOutcome::Cancelled) {
    throw UsageException(
        ErrorCode::NotSignedOn,
        "process \"" + name + "\" cannot sign on: node \"" + info_.name + "\" has signed off");
  }
  throw SignOnException("process \"" + name + "\"",
                        factsOf(*database_, reply.lock, LockTimeout::serverDefined()));
}

void NodeCore::remember(const std::shared_ptr<ProcessCore>& process) {
  {
    MutexLock hold(mutex_);
    if (!closed_) {
      std::erase_if(processes_, [](const auto& known) { return known.expired(); });
      processes_.push_back(process);
      return;
    }
  }
  process->signOff();  // The node closed while it signed on.
}

void NodeCore::close() {
  std::vector<std::weak_ptr<ProcessCore>> processes;
  {
    MutexLock hold(mutex_);
    if (closed_) return;
    closed_ = true;
    processes.swap(processes_);
  }
  for (const auto& known : processes) {
    if (const auto process = known.lock()) process->signOff();
  }
  database_->signOffNode(info_.oid);
  // Callbacks hold on to their process, and it to the database: when we return, the last of them
  // is over, and whoever holds the database can close it.
  callbacks_.stop();
}

}  // namespace nephrite
