#include "node/program/named_things.h"

#include <charconv>
#include <map>
#include <set>
#include <string_view>

#include "base/answer_wait.h"
#include "base/plain_text.h"

namespace nephrite {

namespace {

constexpr std::string_view kResource = "resource ";

/// The name in what showResource() made of it; a name that needs no quotes is itself.
std::string nameOfResource(std::string_view shown) {
  if (shown.size() < 2 || shown.front() != '"' || shown.back() != '"') return std::string(shown);
  shown = shown.substr(1, shown.size() - 2);
  std::string name;
  for (std::size_t at = 0; at < shown.size(); ++at) {
    if (shown[at] != '\\' || at + 1 == shown.size()) {
      name += shown[at];
      continue;
    }
    unsigned byte = 0;
    const char* const digits = shown.data() + at + 2;
    const bool isByte = shown[at + 1] == 'x' && at + 3 < shown.size() &&
                        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
    name += isByte ? static_cast<char>(byte) : shown[at + 1];
    at += isByte ? 3 : 1;
  }
  return name;
}

NamedTarget resourceNamed(RemoteDatabase& database, const std::string& name) {
  const auto wait = std::make_shared<AnswerWait<ResourceReply>>();
  AnswerFetch fetch(database.answers());
  database.resource(name, [wait](const ResourceReply& reply) { wait->complete(reply); });
  fetch.await(*wait);
  const ResourceReply reply = wait->get();
  if (reply.failure) throw std::runtime_error(reply.failure->what);
  return {reply.resource->oid, reply.resource};
}

}  // namespace

NamedTarget objectNamed(RemoteDatabase& database, const std::string& text) {
  if (text.starts_with(kResource)) {
    return resourceNamed(database, nameOfResource(std::string_view(text).substr(kResource.size())));
  }
  const auto slash = text.find('/');
  const auto oid = Oid::parse(slash == std::string::npos ? text : text.substr(slash + 1));
  const bool isObject = oid && !oid->isNull() && oid->lifetime() != Lifetime::Resource;
  if (isObject) return {*oid, nullptr};
  throw WrongUse("'" + text +
                 "' names no object; write it as Order/2048.7 or 2048.7, and a resource as "
                 "'resource NAME'");
}

std::string whoText(const ProcessInfo& process) {
  if (process.locker.isNull()) return "one that has gone";
  return std::to_string(process.locker.value) + " " +
         (process.name.empty() ? "-" : plainText(process.name));
}

bool isProcess(const ProcessInfo& process, const std::string& wanted) {
  if (wanted.empty()) return true;
  const std::string oid = process.oid.toString();
  return process.name == wanted || std::to_string(process.locker.value) == wanted ||
         oid == wanted || "Process/" + oid == wanted;
}

std::string whoText(const RemoteDatabase& database, LockerId locker) {
  return whoText(database.describe(locker));
}

LockerId lockerNamed(RemoteDatabase& database, const std::string& text, Oid held) {
  std::map<LockerId, std::string> found;
  for (const ProcessInfo& process : database.processes()) {
    if (isProcess(process, text)) {
      found[process.locker] = whoText(process) + " on node " + plainText(process.node);
    }
  }
  for (const NodeInfo& node : database.nodes()) {
    const std::string oid = node.oid.toString();
    const bool isNamed = node.name == text || oid == text || "Node/" + oid == text ||
                         std::to_string(node.locker.value) == text;
    if (isNamed) found[node.locker] = "Node/" + oid + " " + plainText(node.name);
  }
  if (found.size() > 1 && !held.isNull()) {
    std::set<LockerId> holders;
    for (const LockInfo& lock : database.locksOn(held)) {
      if (lock.waiting || lock.isFromAbove()) continue;
      if (found.contains(lock.requestedBy)) holders.insert(lock.requestedBy);
    }
    if (holders.size() == 1) return *holders.begin();
  }
  if (found.size() == 1) return found.begin()->first;
  if (found.empty()) {
    throw std::runtime_error("nobody called '" + text +
                             "' is signed on; see nephrite processes and nephrite nodes");
  }
  std::string names;
  for (const auto& [locker, name] : found) names += (names.empty() ? "" : ", ") + name;
  throw std::runtime_error("'" + text + "' may be any of: " + names + "; give the number or Oid");
}

}  // namespace nephrite
