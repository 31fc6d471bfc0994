// The part of ProcessCore that knows of its children, of its locks that lapse, and of resources.

#include <utility>

#include "base/answer_wait.h"
#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"

namespace nephrite {

void ProcessCore::signOff() { signOffInDatabase(std::nullopt); }

void ProcessCore::signOffToParent() {
  if (parent_ == nullptr) return signOff();
  parent_->machine_.port().inheritLeases(machine_.port());
  signOffInDatabase(parent_->machine_.level());
}

void ProcessCore::leaveChildren() {
  std::vector<std::weak_ptr<ProcessCore>> children;
  {
    MutexLock hold(childrenMutex_);
    children.swap(children_);
  }
  for (const auto& each : children) {
    if (const auto child = each.lock()) child->leftWithParent();
  }
}

void ProcessCore::leftWithParent() {
  if (!signedOn_.exchange(false)) return;
  leaveChildren();
}

void ProcessCore::beParent() {
  call([&] { machine_.joinFamily(); });
}

void ProcessCore::adopt(const std::shared_ptr<ProcessCore>& child) {
  MutexLock hold(childrenMutex_);
  std::erase_if(children_, [](const auto& known) { return known.expired(); });
  children_.push_back(child);
}

void ProcessCore::watchLapses(std::function<void(const LapsedLock&)> told) {
  machine_.port().whenLapsed(
      [core = weak_from_this(), told = std::move(told)](const LockAnswer& answer) {
        const auto alive = core.lock();
        if (alive == nullptr) return;
        const LockRequest& held = answer.request;
        const Oid target = Oid::fromBits(held.target.value);
        LapsedLock lapsed{target, alive->show(target), held.type, held.duration, held.lease};
        alive->post([told, lapsed = std::move(lapsed)] { told(lapsed); });
      });
}

std::shared_ptr<const NamedResource> ProcessCore::resourceNamed(const std::string& name) {
  const auto wait = std::make_shared<AnswerWait<ResourceReply>>();
  {
    AnswerFetch fetch(database().answers());
    database().resource(name, [wait](const ResourceReply& reply) { wait->complete(reply); });
    fetch.await(*wait);
  }
  const ResourceReply reply = wait->get();
  if (reply.failure) throwError(database(), reply.failure->code, Oid(), reply.failure->what);
  return reply.resource;
}

}  // namespace nephrite
