#include "runtime/node.h"

#include <utility>

#include "base/plain_text.h"
#include "runtime/errors/exceptions.h"
#include "runtime/process/lock_views.h"
#include "runtime/process/node_core.h"
#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"

namespace nephrite {
namespace {

NodeCore& signedOn(const std::shared_ptr<NodeCore>& core) {
  if (core == nullptr) {
    throw UsageException(ErrorCode::NotSignedOn,
                         "there is no node here: it was moved from, or never signed on");
  }
  return *core;
}

}  // namespace

Node Node::signOn(std::shared_ptr<Database> database, const std::string& name) {
  return signOn(std::move(database), NodeSignOn{.name = name});
}

Node Node::signOn(std::shared_ptr<Database> database, const NodeSignOn& who,
                  std::function<void()> closed) {
  return Node(std::make_shared<NodeCore>(std::move(database), who, std::move(closed)));
}

Node::Node(std::shared_ptr<NodeCore> core) : core_(std::move(core)) {}

Node::~Node() {
  logFailure("node.failed", "the end of a node", [this] { close(); });
}

Node& Node::operator=(Node&& other) noexcept {
  if (this != &other) {
    logFailure("node.failed", "the end of a node", [this] { close(); });
    core_ = std::move(other.core_);
  }
  return *this;
}

void Node::close() {
  if (core_ != nullptr) core_->close();
}

NodeInfo Node::info() const { return signedOn(core_).info(); }
Database& Node::database() const { return signedOn(core_).database(); }

Process Node::signOn(ProcessOptions options) {
  NodeCore& node = signedOn(core_);
  const bool asNode = !options.face && options.faceOwner.empty();
  ProcessSignOn who{.node = {},
                    .name = options.name,
                    .user = options.user,
                    .background = options.background,
                    .face = options.face.value_or(node.who().face),
                    .faceOwner = asNode ? node.who().faceOwner : options.faceOwner};
  std::shared_ptr<ProcessCore> parent;
  if (options.parent != nullptr) {
    parent = options.parent->shared();
    if (&parent->node() != &node) {
      throw UsageException(ErrorCode::NotLockable,
                           "process \"" + plainText(parent->info().name) +
                               "\" is of another node and cannot be the parent; name one of this");
    }
    parent->beParent();
    who.parent = parent->info().locker;
  }
  const ProcessInfo info = node.signOn(who);
  auto process = std::make_shared<ProcessCore>(core_, info, std::move(options.executor), parent);
  if (parent != nullptr) parent->adopt(process);
  if (options.lockLapsed) process->watchLapses(std::move(options.lockLapsed));
  core_->remember(process);
  return Process(std::move(process));
}

CommitOutcome Node::commitOutcome(const CommitId& commit) const {
  return database().commitOutcome(commit);
}

std::vector<Lock> Node::getLocks(std::size_t maxEntries) const {
  return describeLocks(database(), database().locksHeld(Lifetime::SharedTransient, maxEntries));
}

std::vector<Lock> Node::getQueuedLocks(std::size_t maxEntries) const {
  return describeLocks(database(),
                       database().queuedRequests(Lifetime::SharedTransient, maxEntries));
}

}  // namespace nephrite
