#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dpkg_status.h"
#include "runtime/nephrite.h"

/// The packages as objects.
///
///     Catalog   packages, sections, ledgers: dictionaries by name; target
///     Package   name, version, section, upgrades (how often it was upgraded), depends: PackageSet
///     Section   name, upgrades, claim: a worker that works through the section holds a Session
///               lock on its claim, and so keeps other workers out, but no application
///     Ledger    commits         one for each participant; raised with each upgrade that it does
///     Upgrade   package, number, by    what was done: one object for each upgrade
class Catalog {
 public:
  using Progress = std::function<void(std::size_t done, std::size_t all)>;

  /// Defines the classes (harmless when they are there).
  static void defineClasses(nephrite::Process& process);

  /// The catalogue in the store; made when there is none.
  explicit Catalog(nephrite::Process& process);

  /// Makes objects of those packages that are not there yet, some in each transaction, so that a
  /// killed load goes on where it stopped.
  void load(const std::vector<DebianPackage>& packages, const Progress& progress);

  std::vector<nephrite::Object> packages() const;
  std::vector<nephrite::Object> sections() const;
  std::vector<nephrite::Object> ledgers() const;
  /// That of one participant; made when there is none.
  nephrite::Object ledgerOf(const std::string& participant);

  /// How often each package shall have been upgraded.
  int target() const;
  void setTarget(int target);

 private:
  nephrite::Object sectionNamed(const std::string& name);
  void addPackages(const std::vector<DebianPackage>& some);
  void linkDependencies(const std::vector<DebianPackage>& packages, const Progress& progress);

  nephrite::Process& process_;
  nephrite::Object root_;
};
