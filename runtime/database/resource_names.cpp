#include "runtime/database/resource_names.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "objects/text.h"

namespace nephrite {

struct ResourceNames::State {
  struct Known {
    std::weak_ptr<const NamedResource> kept;
    std::string_view name;  // The key of `byName`.
  };

  std::size_t sweepAt() const NEPHRITE_REQUIRES(mutex) { return kFewUnused + 2 * unusedAfterSweep; }
  void released() NEPHRITE_EXCLUDES(mutex);

  static constexpr std::size_t kFewUnused = 1024;

  std::function<bool(Oid)> isLocked NEPHRITE_GUARDED_BY(mutex);  // Empty: the database has gone.
  mutable Mutex mutex;
  std::unordered_map<std::string, Oid> byName NEPHRITE_GUARDED_BY(mutex);
  std::unordered_map<Oid, Known> byOid NEPHRITE_GUARDED_BY(mutex);
  std::uint64_t last NEPHRITE_GUARDED_BY(mutex) = 0;
  std::size_t unused NEPHRITE_GUARDED_BY(mutex) = 0;  // At most so many are kept by no caller.
  std::size_t unusedAfterSweep NEPHRITE_GUARDED_BY(mutex) = 0;
};

// Now and then all are looked at that no caller keeps, so that a name costs a fixed number of
// looks.
void ResourceNames::State::released() {
  MutexLock hold(mutex);
  if (!isLocked || ++unused < sweepAt()) return;
  unused = 0;
  for (auto at = byOid.begin(); at != byOid.end();) {
    const bool isKept = !at->second.kept.expired();
    const bool isNeeded = isKept || isLocked(at->first);
    if (isNeeded) {
      unused += isKept ? 0 : 1;
      ++at;
    } else {
      byName.erase(std::string(at->second.name));
      at = byOid.erase(at);
    }
  }
  unusedAfterSweep = unused;
}

ResourceNames::ResourceNames(std::function<bool(Oid)> isLocked)
    : state_(std::make_shared<State>()) {
  MutexLock hold(state_->mutex);
  state_->isLocked = std::move(isLocked);
}

ResourceNames::~ResourceNames() {
  MutexLock hold(state_->mutex);
  state_->isLocked = nullptr;
}

std::shared_ptr<const NamedResource> ResourceNames::find(std::string_view name) {
  NEPHRITE_CHECK(!name.empty() && name.size() <= NamedResource::kMostBytes);
  State& state = *state_;
  MutexLock hold(state.mutex);
  auto [known, isNew] = state.byName.try_emplace(std::string(name));
  if (isNew) {
    known->second = Oid(Lifetime::Resource, 1, ++state.last);
    state.byOid[known->second].name = known->first;
  }
  State::Known& entry = state.byOid.at(known->second);
  if (auto kept = entry.kept.lock()) return kept;
  // The last of those who keep it says so, when the mutex is free. From then on it keeps the state
  // no more: the state keeps what knew of it (Known::kept), and the two would keep each other.
  auto made = std::shared_ptr<const NamedResource>(
      new NamedResource{known->second, known->first},
      [names = state_](const NamedResource* gone) mutable {
        delete gone;
        std::exchange(names, nullptr)->released();
      });
  entry.kept = made;
  return made;
}

std::string ResourceNames::nameOf(Oid oid) const {
  MutexLock hold(state_->mutex);
  const auto known = state_->byOid.find(oid);
  return known == state_->byOid.end() ? std::string() : std::string(known->second.name);
}

std::size_t ResourceNames::size() const {
  MutexLock hold(state_->mutex);
  return state_->byOid.size();
}

void ResourceNames::numberFrom(std::uint64_t first) {
  MutexLock hold(state_->mutex);
  NEPHRITE_CHECK(state_->byOid.empty());
  state_->last = first;
}

std::string showResource(std::string_view name) {
  const bool isText = !findInvalidUtf8(name);
  const auto isPrintable = [isText](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f && (byte < 0x80 || isText);
  };
  const auto isPlain = [&](char c) { return isPrintable(c) && c != '"' && c != '\\' && c != '\''; };
  const bool quotes = name.empty() || name.front() == ' ' || name.back() == ' ' ||
                      !std::all_of(name.begin(), name.end(), isPlain);
  if (!quotes) return "resource " + std::string(name);
  std::string shown = "resource \"";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      shown += '\\';
      shown += c;
    } else if (!isPrintable(c)) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      shown += "\\x";
      shown += kDigits[byte >> 4];
      shown += kDigits[byte & 15];
    } else {
      shown += c;
    }
  }
  return shown + '"';
}

}  // namespace nephrite
