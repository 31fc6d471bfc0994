#include "runtime/database/system_objects.h"

#include <chrono>

namespace nephrite {
namespace {

constexpr std::size_t kRememberedProcesses = 4096;

TimeStamp timeStampOf(WallTime time) { return std::chrono::floor<std::chrono::milliseconds>(time); }

ClassDef systemClass(Oid::ClassNumber number, const char* name,
                     std::vector<PropertyDef> properties) {
  ClassDef made;
  made.number = number;
  made.name = name;
  made.properties = std::move(properties);
  return made;
}

ClassDef systemDictionary(Oid::ClassNumber number, const char* name) {
  ClassDef made = systemClass(number, name, {});
  made.kind = ClassKind::Dictionary;
  made.keyType = ValueType::String;
  return made;
}

}  // namespace

SystemObjects::SystemObjects(ObjectStore& store) : store_(store) {
  using enum ValueType;
  const ClassDef wanted[] = {
      systemClass(system_class::kSystem, "System", {{"nodes", Reference}}),
      systemClass(system_class::kNode, "Node",
                  {{"name", String}, {"processes", Reference}, {"signOnTime", TimeStamp}}),
      systemClass(system_class::kProcess, "Process",
                  {{"name", String},
                   {"userCode", String},
                   {"nodeName", String},
                   {"background", Boolean},
                   {"signOnTime", TimeStamp},
                   {"number", Integer64}}),
      systemDictionary(system_class::kNodeDict, "NodeDict"),
      systemDictionary(system_class::kProcessDict, "ProcessDict"),
  };
  const auto schema = store_.schema();
  for (const ClassDef& definition : wanted) {
    const auto known = schema->find(definition.number);
    if (known == nullptr || known->properties.size() < definition.properties.size()) {
      store_.defineClass(definition);
    }
  }
  MutexLock hold(mutex_);
  dictionaries_[nodesDict()];
}

NodeInfo SystemObjects::newNode(const NodeSignOn& who, WallTime now) {
  NodeInfo node;
  node.oid = store_.newOid(system_class::kNode);
  node.name = who.name;
  node.origin = who.origin;
  node.backgroundTimeout = who.backgroundTimeout;
  node.processes = Oid(Lifetime::Persistent, system_class::kProcessDict, node.oid.instance());
  node.signedOn = now;
  return node;
}

// Two of one name stand side by side: the later one's key carries its number.
std::string SystemObjects::put(Dictionary& dictionary, const std::string& name, Oid member) {
  const bool taken = dictionary.members.contains(name);
  std::string key = taken ? name + "#" + std::to_string(member.instance()) : name;
  dictionary.members[key] = member;
  ++dictionary.edition;
  return key;
}

void SystemObjects::addNode(const NodeInfo& node) {
  MutexLock hold(mutex_);
  dictionaries_[node.processes];
  nodes_[node.oid] = {node, put(dictionaries_[nodesDict()], node.name, node.oid), {}};
}

std::optional<SystemObjects::Removed> SystemObjects::removeNode(Oid node) {
  MutexLock hold(mutex_);
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return std::nullopt;
  Removed removed{it->second.info, {}};
  for (const std::uint64_t locker : it->second.processes) removed.processes.push_back({locker});
  dictionaries_.erase(removed.node.processes);
  Dictionary& all = dictionaries_[nodesDict()];
  all.members.erase(it->second.key);
  ++all.edition;
  nodes_.erase(it);
  return removed;
}

std::optional<NodeInfo> SystemObjects::node(Oid node) const {
  MutexLock hold(mutex_);
  const auto it = nodes_.find(node);
  return it == nodes_.end() ? std::nullopt : std::optional(it->second.info);
}

std::vector<NodeInfo> SystemObjects::nodes() const {
  MutexLock hold(mutex_);
  std::vector<NodeInfo> all;
  for (const auto& [oid, entry] : nodes_) all.push_back(entry.info);
  return all;
}

ProcessInfo SystemObjects::newProcess(const ProcessSignOn& who, const NodeInfo& node,
                                      WallTime now) {
  ProcessInfo process;
  process.oid = store_.newOid(system_class::kProcess);
  process.locker = {process.oid.instance()};
  process.name = who.name;
  process.user = who.user;
  process.node = node.name;
  process.address = node.origin.address;
  process.background = who.background;
  process.parent = who.parent;
  process.face = who.face;
  process.faceOwner = who.faceOwner;
  process.signedOn = now;
  return process;
}

bool SystemObjects::addProcess(const ProcessInfo& process, Oid node) {
  MutexLock hold(mutex_);
  const auto it = nodes_.find(node);
  if (it == nodes_.end() && !node.isNull()) return false;
  SignedOnProcess& added = processes_[process.locker.value];
  added = {process, node, {}};
  if (it == nodes_.end()) return true;
  it->second.processes.insert(process.locker.value);
  added.key = put(dictionaries_[it->second.info.processes], process.name, process.oid);
  return true;
}

void SystemObjects::removeProcess(LockerId locker) {
  MutexLock hold(mutex_);
  const auto it = processes_.find(locker.value);
  if (it == processes_.end()) return;
  const auto node = nodes_.find(it->second.node);
  if (node != nodes_.end()) {
    node->second.processes.erase(locker.value);
    Dictionary& all = dictionaries_[node->second.info.processes];
    all.members.erase(it->second.key);
    ++all.edition;
  }
  gone_[locker.value] = it->second.info;
  goneInOrder_.push_back(locker.value);
  if (goneInOrder_.size() > kRememberedProcesses) {
    gone_.erase(goneInOrder_.front());
    goneInOrder_.pop_front();
  }
  processes_.erase(it);
}

std::vector<ProcessInfo> SystemObjects::processes() const {
  MutexLock hold(mutex_);
  std::vector<ProcessInfo> all;
  for (const auto& [number, process] : processes_) all.push_back(process.info);
  return all;
}

bool SystemObjects::isSignedOn(LockerId locker) const {
  MutexLock hold(mutex_);
  return processes_.contains(locker.value);
}

ProcessInfo SystemObjects::describe(LockerId locker) const {
  MutexLock hold(mutex_);
  const auto here = processes_.find(locker.value);
  if (here != processes_.end()) return here->second.info;
  const auto left = gone_.find(locker.value);
  return left != gone_.end() ? left->second : ProcessInfo{};
}

RecordPtr SystemObjects::fetch(Oid oid) const {
  MutexLock hold(mutex_);
  auto record = std::make_shared<ObjectRecord>();
  record->oid = oid;
  if (oid == system()) {
    record->values = {nodesDict()};
    return record;
  }
  if (const auto it = dictionaries_.find(oid); it != dictionaries_.end()) {
    record->edition = it->second.edition;
    for (const auto& [key, member] : it->second.members) record->members.push_back({key, member});
    return record;
  }
  if (const auto it = nodes_.find(oid); it != nodes_.end()) {
    const NodeInfo& info = it->second.info;
    record->values = {info.name, info.processes, timeStampOf(info.signedOn)};
    return record;
  }
  if (oid.classNumber() != system_class::kProcess) return nullptr;
  const auto it = processes_.find(oid.instance());
  if (it == processes_.end()) return nullptr;
  const ProcessInfo& info = it->second.info;
  record->values = {info.name,
                    info.user,
                    info.node,
                    info.background,
                    timeStampOf(info.signedOn),
                    static_cast<std::int64_t>(info.locker.value)};
  return record;
}

}  // namespace nephrite
