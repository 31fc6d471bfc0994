#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/schedule/schedule.h"
#include "runtime/database/local_database.h"

namespace nephrite {

/// The objects and resources of a schedule that is played, and what it calls them.
///
/// Errors:  ScheduleError for what is named and not there, or made twice.
/// Threads: one.
class ReplayObjects {
 public:
  /// Makes them in `local`, of a class of its own; `local` must outlive this.
  explicit ReplayObjects(LocalDatabase& local);

  void add(int line, const ObjectLine& wanted);
  void add(int line, const std::string& name, const std::shared_ptr<const NamedResource>& resource);
  /// Throws when something is called that, by name or by path.
  void expectNew(int line, const std::string& name) const;

  /// The name of what a step calls `word`: a name or a path. Who first speaks of the root makes it.
  const std::string& nameFor(int line, const std::string& word);
  Oid oidOf(const std::string& name) const { return oids_.at(name); }
  const std::string& nameOf(Oid oid) const { return names_.at(oid); }
  /// What `oid` is below, from its parent up to the root; nothing when it has no place.
  std::vector<Oid> above(Oid oid) const;

 private:
  Oid create(const std::string& name);
  void note(const std::string& name, Oid oid);

  LocalDatabase& local_;
  Oid::ClassNumber class_ = 0;
  std::map<std::string, Oid> oids_;
  std::map<Oid, std::string> names_;
  std::map<std::string, std::string> paths_;  // To the names.
  std::map<Oid, Oid> parents_;
  std::vector<std::shared_ptr<const NamedResource>> resources_;
};

}  // namespace nephrite
