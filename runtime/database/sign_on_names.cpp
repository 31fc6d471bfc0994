#include "runtime/database/sign_on_names.h"

#include <algorithm>
#include <string>

#include "base/plain_text.h"
#include "objects/text.h"

namespace nephrite {
namespace {

// The name itself is as long as it is: its beginning tells people which one it is.
std::string beginningOf(std::string_view text) {
  constexpr std::size_t kShown = 32;
  std::size_t end = std::min(text.size(), kShown);
  while (end > 0 && end < text.size() && (text[end] & '\xC0') == '\x80') --end;
  return "\"" + plainText(text.substr(0, end)) + (end < text.size() ? "...\"" : "\"");
}

std::optional<RequestFailure> faultOfFaceOwner(std::string_view text) {
  return faultOfName("what a face calls its owner", text, kMostFaceOwnerBytes);
}

}  // namespace

std::optional<RequestFailure> faultOfName(std::string_view what, std::string_view text,
                                          std::size_t most) {
  if (text.size() > most) {
    return RequestFailure{ErrorCode::TooLarge,
                          std::string(what) + " has " + std::to_string(text.size()) +
                              " bytes, and at most " + std::to_string(most) +
                              " are kept: use a shorter one than " + beginningOf(text)};
  }
  if (const auto bad = findInvalidUtf8(text)) {
    return RequestFailure{ErrorCode::WrongValueType,
                          std::string(what) + " is not valid UTF-8 at byte offset " +
                              std::to_string(*bad) + ": " + beginningOf(text)};
  }
  return std::nullopt;
}

std::optional<RequestFailure> faultOfNames(const NodeSignOn& who) {
  auto fault = faultOfName("the name of a node", who.name);
  return fault ? fault : faultOfFaceOwner(who.faceOwner);
}

std::optional<RequestFailure> faultOfNames(const ProcessSignOn& who) {
  auto fault = faultOfName("the name of a process", who.name);
  if (!fault) fault = faultOfName("the name of a user", who.user);
  return fault ? fault : faultOfFaceOwner(who.faceOwner);
}

std::optional<RequestFailure> faultOfResource(std::string_view name) {
  if (name.empty()) {
    return RequestFailure{ErrorCode::NotLockable, "a resource needs a name: 1 to " +
                                                      std::to_string(NamedResource::kMostBytes) +
                                                      " bytes, any"};
  }
  if (name.size() <= NamedResource::kMostBytes) return std::nullopt;
  return RequestFailure{ErrorCode::NotLockable,
                        "the name of a resource has " + std::to_string(name.size()) +
                            " bytes, and at most " + std::to_string(NamedResource::kMostBytes) +
                            " are allowed: use a shorter one than " + beginningOf(name)};
}

std::optional<RequestFailure> faultOfNames(const Operator& who) {
  auto fault = faultOfName("the name of a user", who.user);
  return fault ? fault : faultOfName("the reason", who.reason, kMostReasonBytes);
}

}  // namespace nephrite
