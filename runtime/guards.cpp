#include "runtime/guards.h"

#include <utility>

#include "runtime/process/process_core.h"

namespace nephrite {
namespace {

std::shared_ptr<ProcessCore> begun(std::shared_ptr<ProcessCore> process, Lifetime lifetime) {
  process->begin(lifetime);
  return process;
}

void finishTransaction(ProcessCore& process, Lifetime lifetime) {
  process.finish("the end of a transaction's scope", [&] { process.abandon(lifetime); });
}

void finishState(ProcessCore& process, std::uint64_t state) {
  process.finish("the end of a state's scope", [&] { process.machine().endScope(state); });
}

}  // namespace

Transaction::Transaction(Process& process)
    : process_(begun(process.shared(), Lifetime::Persistent)) {}

Transaction::~Transaction() {
  if (open_) finishTransaction(*process_, Lifetime::Persistent);
}

void Transaction::commit(std::stop_token stop) {
  process_->commit(Lifetime::Persistent, stop);
  open_ = false;
}

void Transaction::abort() {
  open_ = false;
  process_->abort(Lifetime::Persistent);
}

TransientTransaction::TransientTransaction(Process& process)
    : process_(begun(process.shared(), Lifetime::SharedTransient)) {}

TransientTransaction::~TransientTransaction() {
  if (open_) finishTransaction(*process_, Lifetime::SharedTransient);
}

void TransientTransaction::commit(std::stop_token stop) {
  process_->commit(Lifetime::SharedTransient, stop);
  open_ = false;
}

void TransientTransaction::abort() {
  open_ = false;
  process_->abort(Lifetime::SharedTransient);
}

LoadState::LoadState(Process& process) : process_(process.shared()) {
  process_->call([&] { state_ = process_->machine().beginState(StateKind::Load); });
}

LoadState::~LoadState() { finishState(*process_, state_); }

LockState::LockState(Process& process) : process_(process.shared()) {
  process_->call([&] { state_ = process_->machine().beginState(StateKind::Lock); });
}

LockState::~LockState() { finishState(*process_, state_); }

LockGuard::LockGuard(Object object, LockType type, LockDuration duration, LockTimeout wait,
                     std::stop_token stop)
    : object_(std::move(object)) {
  const LockStatus held = object_.lockStatus();
  const bool lasts = duration == LockDuration::Transaction || held.duration == duration;
  if (covers(held.type, type) && lasts) return;
  before_ = held.type;
  duration_ = held.duration == LockDuration::Session ? held.duration : duration;
  // Never for less than is held: outside of any state that would lower it.
  object_.lock(covers(held.type, type) ? held.type : type, duration, wait, std::move(stop));
  asked_ = true;
}

LockGuard::~LockGuard() {
  if (asked_) object_.restoreLock(before_, duration_);
}

}  // namespace nephrite
