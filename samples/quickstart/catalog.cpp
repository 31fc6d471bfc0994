#include "catalog.h"

#include <algorithm>

using namespace nephrite;

namespace {

constexpr std::size_t kPackagesInATransaction = 50;

ClassDef classOf(const char* name, std::vector<PropertyDef> properties) {
  ClassDef made;
  made.name = name;
  made.properties = std::move(properties);
  return made;
}

}  // namespace

void Catalog::defineClasses(Process& process) {
  using enum ValueType;
  process.defineClass(classOf("Catalog", {{"packages", Reference},
                                          {"sections", Reference},
                                          {"ledgers", Reference},
                                          {"target", Integer}}));
  process.defineClass(classOf("Package", {{"name", String},
                                          {"version", String},
                                          {"architecture", String},
                                          {"installedSize", Integer},
                                          {"section", Reference},
                                          {"depends", Reference},
                                          {"upgrades", Integer}}));
  process.defineClass(
      classOf("Section", {{"name", String}, {"upgrades", Integer}, {"claim", Reference}}));
  process.defineClass(classOf("Claim", {}));
  process.defineClass(classOf("Ledger", {{"commits", Integer64}}));
  process.defineClass(
      classOf("Upgrade",
              {{"package", Reference}, {"number", Integer}, {"by", String}, {"version", String}}));
  ClassDef dictionary = classOf("PackageDict", {});
  dictionary.kind = ClassKind::Dictionary;
  dictionary.keyType = String;
  process.defineClass(dictionary);
  ClassDef set = classOf("PackageSet", {});
  set.kind = ClassKind::Set;
  process.defineClass(set);
}

Catalog::Catalog(Process& process) : process_(process) {
  const auto known = process_.instances("Catalog", 1);
  if (!known.empty()) {
    root_ = known.front();
    return;
  }
  Transaction transaction(process_);
  root_ = process_.create("Catalog");
  root_.set("packages", process_.create("PackageDict"));
  root_.set("sections", process_.create("PackageDict"));
  root_.set("ledgers", process_.create("PackageDict"));
  root_.set("target", 0);
  transaction.commit();
}

void Catalog::load(const std::vector<DebianPackage>& packages, const Progress& progress) {
  const Dictionary known(root_.reference("packages"));
  std::vector<DebianPackage> missing;
  {
    const LoadState oneLock(process_);
    for (const DebianPackage& package : packages) {
      if (!known.includesKey(package.name)) missing.push_back(package);
    }
  }
  for (std::size_t from = 0; from < missing.size(); from += kPackagesInATransaction) {
    const std::size_t to = std::min(from + kPackagesInATransaction, missing.size());
    addPackages({missing.begin() + static_cast<std::ptrdiff_t>(from),
                 missing.begin() + static_cast<std::ptrdiff_t>(to)});
    progress(to, 2 * packages.size());
  }
  linkDependencies(packages, progress);
}

Object Catalog::sectionNamed(const std::string& name) {
  Dictionary sections(root_.reference("sections"));
  Object section = sections.getAtKey(name);
  if (!section.isNull()) return section;
  section = process_.create("Section");
  section.set("name", name);
  section.set("upgrades", 0);
  section.set("claim", process_.create("Claim"));
  sections.put(name, section);
  return section;
}

void Catalog::addPackages(const std::vector<DebianPackage>& some) {
  Transaction transaction(process_);
  Dictionary all(root_.reference("packages"));
  for (const DebianPackage& from : some) {
    Object package = process_.create("Package");
    package.set("name", from.name);
    package.set("version", from.version);
    package.set("architecture", from.architecture);
    package.set("installedSize", from.installedSize);
    package.set("section", sectionNamed(from.section));
    package.set("upgrades", 0);
    all.put(from.name, package);
  }
  transaction.commit();
}

// What a package depends on may stand later in the file: links come when all are there.
void Catalog::linkDependencies(const std::vector<DebianPackage>& packages,
                               const Progress& progress) {
  const Dictionary all(root_.reference("packages"));
  std::size_t done = 0;
  while (done < packages.size()) {
    Transaction transaction(process_);
    const std::size_t to = std::min(done + kPackagesInATransaction, packages.size());
    for (; done < to; ++done) {
      Object package = all.getAtKey(packages[done].name);
      if (!package.reference("depends").isNull()) continue;
      Set depends(process_.create("PackageSet"));
      for (const std::string& name : packages[done].depends) {
        const Object other = all.getAtKey(name);
        if (!other.isNull() && !(other == package)) depends.tryAdd(other);
      }
      package.set("depends", depends);
    }
    transaction.commit();
    progress(packages.size() + done, 2 * packages.size());
  }
}

std::vector<Object> Catalog::packages() const {
  return Collection(root_.reference("packages")).clone();
}

std::vector<Object> Catalog::sections() const {
  return Collection(root_.reference("sections")).clone();
}

std::vector<Object> Catalog::ledgers() const {
  return Collection(root_.reference("ledgers")).clone();
}

Object Catalog::ledgerOf(const std::string& participant) {
  Dictionary ledgers(root_.reference("ledgers"));
  Object ledger = ledgers.getAtKey(participant);
  if (!ledger.isNull()) return ledger;
  Transaction transaction(process_);
  ledger = process_.create("Ledger");
  ledger.set("commits", std::int64_t{0});
  ledgers.put(participant, ledger);
  transaction.commit();
  return ledger;
}

int Catalog::target() const { return root_.get<std::int32_t>("target"); }

void Catalog::setTarget(int target) {
  Transaction transaction(process_);
  root_.set("target", target);
  transaction.commit();
}
