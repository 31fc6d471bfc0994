#include "check.h"

#include <map>

#include "journal.h"

using namespace nephrite;

namespace {

class Faults {
 public:
  explicit Faults(std::ostream& out) : out_(out) {}
  void add(const std::string& fault) {
    if (++count_ <= 10) out_ << "  WRONG: " << fault << '\n';
    if (count_ == 11) out_ << "  (and more)\n";
  }
  std::size_t count() const { return count_; }

 private:
  std::ostream& out_;
  std::size_t count_ = 0;
};

using Numbers = std::map<int, int>;  // How often each number occurs.

std::map<std::string, Numbers> upgradesInStore(Process& process, std::size_t& total) {
  std::map<Oid, std::string> names;
  std::map<std::string, Numbers> found;
  for (const Object& upgrade : process.instances("Upgrade")) {
    const Object package = upgrade.reference("package");
    std::string& name = names[package.oid()];
    if (name.empty()) name = package.get<std::string>("name");
    ++found[name][upgrade.get<std::int32_t>("number")];
    ++total;
  }
  return found;
}

}  // namespace

bool checkStore(Process& process, const Catalog& catalog, const std::filesystem::path& journal,
                std::ostream& out) {
  Faults faults(out);
  std::size_t total = 0;
  std::map<std::string, Numbers> inStore = upgradesInStore(process, total);

  for (const Object& package : catalog.packages()) {
    const std::string name = package.get<std::string>("name");
    const int upgrades = package.get<std::int32_t>("upgrades");
    const Numbers& numbers = inStore[name];
    if (static_cast<int>(numbers.size()) != upgrades) {
      faults.add(name + " says " + std::to_string(upgrades) + " upgrades, the store has " +
                 std::to_string(numbers.size()));
    }
    int expected = 0;
    for (const auto& [number, times] : numbers) {
      if (number != ++expected || times != 1) {
        faults.add(name + ": upgrade " + std::to_string(number) + " is there " +
                   std::to_string(times) + " times; expected number " + std::to_string(expected));
      }
    }
  }

  const std::vector<Journal::Entry> acknowledged = Journal::read(journal);
  std::map<std::string, Numbers> inJournal;
  for (const Journal::Entry& entry : acknowledged) {
    if (++inJournal[entry.package][entry.number] > 1) {
      faults.add(entry.package + ": upgrade " + std::to_string(entry.number) +
                 " was acknowledged twice");
    }
    if (!inStore[entry.package].contains(entry.number)) {
      faults.add(entry.package + ": acknowledged upgrade " + std::to_string(entry.number) +
                 " is lost");
    }
  }

  std::int64_t inSections = 0;
  for (const Object& section : catalog.sections()) {
    inSections += section.get<std::int32_t>("upgrades");
  }
  if (inSections != static_cast<std::int64_t>(total)) {
    faults.add("the sections say " + std::to_string(inSections) + " upgrades, the store has " +
               std::to_string(total));
  }
  std::int64_t inLedgers = 0;
  for (const Object& ledger : catalog.ledgers()) inLedgers += ledger.get<std::int64_t>("commits");
  if (inLedgers != static_cast<std::int64_t>(total)) {
    faults.add("the ledgers say " + std::to_string(inLedgers) + " upgrades, the store has " +
               std::to_string(total));
  }

  out << "  " << acknowledged.size() << " acknowledged upgrades, " << total << " in the store";
  if (total > acknowledged.size()) {
    out << " (" << total - acknowledged.size()
        << " were durable, but killed before they could be acknowledged)";
  }
  out << '\n';
  return faults.count() == 0;
}
