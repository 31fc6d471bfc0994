#include "runtime/object.h"

#include <utility>

#include "runtime/process/process_core.h"
#include "runtime/process/refusals.h"
#include "runtime/process/value_fit.h"

namespace nephrite {

Object::Object(std::shared_ptr<ProcessCore> process, Oid oid) : Lockable(std::move(process), oid) {}

std::string Object::className() const { return core().classOf(oid())->name; }

bool Object::exists() const {
  if (isNull()) return false;
  bool found = false;
  core().call([&] { found = core().machine().peek(oid()) != nullptr; });
  return found;
}

// --- Properties ----------------------------------------------------------------------------------

Value Object::value(std::string_view property) const {
  Value value;
  ProcessCore& process = core();
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid(), LockType::Share}, [&] {
    const std::size_t index = process.propertyOf(oid(), property).index;
    const RecordPtr record = process.read(oid());
    if (index < record->values.size()) value = record->values[index];
  });
  return value;
}

Object Object::reference(std::string_view property) const {
  const Value held = value(property);
  const auto oid = valueAs<Oid>(held);
  if (!oid) refuseType(property, held);
  return oid->isNull() ? Object() : Object(process(), *oid);
}

void Object::setValue(std::string_view property, Value to) const {
  ProcessCore& process = core();
  process.machine().expectChange(oid());
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid(), LockType::Update}, [&] {
    const ProcessCore::Property where = process.propertyOf(oid(), property);
    const auto subject = [&] { return process.show(oid()) + "." + std::string(property); };
    fit(to, where.type, subject);
    if (const auto* const target = std::get_if<Oid>(&to)) checkOutlives(oid(), *target, subject);
    // All that may be refused comes before; what follows leaves nothing to be tried again.
    process.changeValue(oid(), where) = std::move(to);
  });
}

void Object::refuseType(std::string_view property, const Value& holds) const {
  throw UsageException(
      ErrorCode::WrongValueType,
      toString() + "." + std::string(property) + " is " + nephrite::toString(holds) + ", of type " +
          std::string(nameOf(typeOf(holds))) + ", which is not what was asked for");
}

void Object::deleteObject() const {
  ProcessCore& process = core();
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid(), LockType::Update}, [&] {
    process.await(oid(), [&](StepDone done) { process.machine().remove(oid(), std::move(done)); });
  });
}

// --- Editions ------------------------------------------------------------------------------------

std::uint32_t Object::edition() const {
  std::uint32_t edition = 0;
  ProcessCore& process = core();
  process.call({ProcessCore::ContinuePolicy::RetryImplicit, oid(), LockType::Share},
               [&] { edition = process.read(oid())->edition; });
  return edition;
}

std::uint32_t Object::latestEdition() const {
  std::uint32_t edition = 0;
  ProcessCore& process = core();
  process.call([&] {
    RecordPtr record;
    if (oid().lifetime() != Lifetime::Transient) record = process.machine().port().fetch(oid());
    if (record == nullptr) record = process.machine().peek(oid());  // Created, not committed.
    if (record == nullptr) throwError(process.database(), ErrorCode::ObjectDeleted, oid());
    edition = record->edition;
  });
  return edition;
}

void Object::resynch() const {
  core().call([] {});
}

}  // namespace nephrite
