#include "runtime/local/system_objects.h"

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

NodeInfo SystemObjects::newNode(const std::string& name, WallTime now) {
  NodeInfo node;
  node.oid = store_.newOid(system_class::kNode);
  node.name = name;
  node.processes = Oid(Lifetime::Persistent, system_class::kProcessDict, node.oid.instance());
  node.signedOn = now;
  return node;
}

// Two of one name stand side by side: the later one's key carries its number.
void SystemObjects::put(Dictionary& dictionary, const std::string& key, Oid member) {
  const bool taken = dictionary.members.contains(key);
  dictionary.members[taken ? key + "#" + std::to_string(member.instance()) : key] = member;
  ++dictionary.edition;
}

void SystemObjects::addNode(const NodeInfo& node) {
  MutexLock hold(mutex_);
  nodes_[node.oid] = node;
  dictionaries_[node.processes];
  put(dictionaries_[nodesDict()], node.name, node.oid);
}

void SystemObjects::removeNode(Oid node) {
  MutexLock hold(mutex_);
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return;
  dictionaries_.erase(it->second.processes);
  Dictionary& all = dictionaries_[nodesDict()];
  std::erase_if(all.members, [&](const auto& entry) { return entry.second == node; });
  ++all.edition;
  nodes_.erase(it);
}

std::optional<NodeInfo> SystemObjects::node(Oid node) const {
  MutexLock hold(mutex_);
  const auto it = nodes_.find(node);
  return it == nodes_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<NodeInfo> SystemObjects::nodes() const {
  MutexLock hold(mutex_);
  std::vector<NodeInfo> all;
  for (const auto& [oid, info] : nodes_) all.push_back(info);
  return all;
}

ProcessInfo SystemObjects::newProcess(const std::string& name, const std::string& user,
                                      const std::string& nodeName, bool background, WallTime now) {
  ProcessInfo process;
  process.oid = store_.newOid(system_class::kProcess);
  process.locker = {process.oid.instance()};
  process.name = name;
  process.user = user;
  process.node = nodeName;
  process.background = background;
  process.signedOn = now;
  return process;
}

void SystemObjects::addProcess(const ProcessInfo& process, Oid node) {
  MutexLock hold(mutex_);
  processes_[process.locker.value] = {process, node};
  const auto it = nodes_.find(node);
  if (it != nodes_.end()) put(dictionaries_[it->second.processes], process.name, process.oid);
}

void SystemObjects::removeProcess(LockerId locker) {
  MutexLock hold(mutex_);
  const auto it = processes_.find(locker.value);
  if (it == processes_.end()) return;
  const auto node = nodes_.find(it->second.node);
  if (node != nodes_.end()) {
    Dictionary& all = dictionaries_[node->second.processes];
    std::erase_if(all.members, [&](const auto& e) { return e.second == it->second.info.oid; });
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

std::vector<LockerId> SystemObjects::processesOf(Oid node) const {
  MutexLock hold(mutex_);
  std::vector<LockerId> all;
  for (const auto& [number, process] : processes_) {
    if (process.node == node) all.push_back(process.info.locker);
  }
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
    record->values = {it->second.name, it->second.processes, timeStampOf(it->second.signedOn)};
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
