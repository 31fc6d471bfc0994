#include "runtime/errors/exceptions.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/plain_text.h"

namespace nephrite {
namespace {

using std::chrono::milliseconds;

long long wholeMilliseconds(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

std::string span(Duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  return seconds < 1 ? fmt::format("{} ms", wholeMilliseconds(duration))
                     : fmt::format("{:.1f} s", seconds);
}

std::string who(const ProcessInfo& process) {
  if (process.locker.isNull()) return "a process that has signed off";
  const std::string through = process.through();
  return fmt::format("process {} (\"{}\", user {}, node {}{}{}{})", process.locker.value,
                     plainText(process.name), process.user.empty() ? "-" : plainText(process.user),
                     plainText(process.node), process.background ? ", background" : "",
                     through.empty() ? "" : ", through ", through);
}

std::string clockTime(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%H:%M:%S} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
}

// "process 12 (...) holds exclusive since 14:02:11 UTC (3.2 s)"
// "process 12 (...) holds exclusive on Folder/2049.1 and all below it since ..."
// "process 12 (...) holds share below it, on Order/2048.7, since ..."
std::string obstacle(const LockFacts& facts) {
  const std::string since =
      facts.lockedBy.locker.isNull()
          ? ""
          : fmt::format(" since {} ({})", clockTime(facts.lockedSince), span(facts.lockedFor));
  if (facts.lockedBelow) {
    const bool waits = facts.lockedType == LockType::Get;
    const std::string where =
        facts.lockedAtName.empty() ? "" : (waits ? ", for " : ", on ") + facts.lockedAtName + ",";
    return fmt::format("{} {} below it{}{}", who(facts.lockedBy),
                       waits ? "waits" : fmt::format("holds {}", nameOf(facts.lockedType)), where,
                       since);
  }
  const std::string above =
      facts.lockedAtName.empty() ? "" : facts.lockedAtName + " and all below it";
  if (facts.lockedType == LockType::Get) {
    return fmt::format("{} waits for {} ahead in the queue{}", who(facts.lockedBy),
                       above.empty() ? "it" : above, since);
  }
  return fmt::format("{} holds {}{}{}", who(facts.lockedBy), nameOf(facts.lockedType),
                     above.empty() ? "" : " on " + above, since);
}

std::string request(const LockFacts& facts) {
  return fmt::format("asked {}, waited {} ms", nameOf(facts.type), wholeMilliseconds(facts.waited));
}

}  // namespace

LockRefusal::LockRefusal(ErrorCode code, LockFacts facts)
    : SystemException(code, std::string()),
      facts_(std::move(facts)),
      text_(std::make_shared<Text>()) {}

const char* LockRefusal::what() const noexcept {
  try {
    std::call_once(text_->made, [this] { text_->sentence = sentence(); });
    return text_->sentence.c_str();
  } catch (const std::exception&) {
    return nameOf(code()).data();  // No memory for more.
  }
}

LockException::LockException(LockFacts facts)
    : LockRefusal(ErrorCode::ObjectLocked, std::move(facts)) {}

std::string LockException::sentence() const {
  return fmt::format("{} is locked: {}; {}", facts().targetName, obstacle(facts()),
                     request(facts()));
}

DeadlockException::DeadlockException(LockFacts facts, Oid obtained, std::string obtainedName,
                                     std::vector<DeadlockStep> cycle)
    : LockRefusal(ErrorCode::Deadlock, std::move(facts)),
      obtained_(obtained),
      obtainedName_(std::move(obtainedName)),
      cycle_(std::move(cycle)) {}

std::string DeadlockException::sentence() const {
  std::string text = fmt::format("deadlock on {}: {}; ", facts().targetName, obstacle(facts()));
  if (!obtainedName_.empty()) text += fmt::format("that one wants {} held by us; ", obtainedName_);
  text += request(facts());
  if (cycle_.size() > 2) text += fmt::format("; cycle of {} processes", cycle_.size());
  return text + "; abort the transaction, pause for a random time and try again";
}

UpgradeException::UpgradeException(Oid target, const std::string& targetName)
    : SystemException(ErrorCode::UpdatedBeforeUpgrade,
                      targetName +
                          " was updated by another process before the upgrade from share "
                          "to update completed; the update lock is held: read it again"),
      target_(target) {}

ObjectDeletedException::ObjectDeletedException(Oid target, const std::string& targetName)
    : SystemException(ErrorCode::ObjectDeleted,
                      targetName + " does not exist: it was deleted, or never created"),
      target_(target) {}

CancelledException::CancelledException(Oid target, const std::string& targetName)
    : SystemException(ErrorCode::WaitCancelled,
                      (targetName.empty() ? "the call" : "the wait for " + targetName) +
                          " was cancelled: stop was requested, or its process signed off"),
      target_(target) {}

SignOnException::SignOnException(std::string newcomer, LockFacts facts)
    : LockException(std::move(facts)), newcomer_(std::move(newcomer)) {
  SignOnException::what();  // Made now: a copy as a LockException says the same.
}

std::string SignOnException::sentence() const {
  return fmt::format(
      "{} cannot sign on: {} is locked: {}; waited {} ms (BackgroundProcessServerTimeout); let the "
      "application unlock it, and loop over a clone of it instead",
      newcomer_, facts().targetName, obstacle(facts()), wholeMilliseconds(facts().waited));
}

}  // namespace nephrite
