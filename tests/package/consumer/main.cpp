// Somebody else's program: two lockers, one target, over an installed Nephrite.
#include <locking/lock_manager.h>
#include <objects/object_store.h>
#include <runtime/database.h>

#include <iostream>

using namespace nephrite;

int main() {
  ManualClock clock;
  LockManager locks(clock, {});
  const LockerId anna{1};
  const LockerId ben{2};
  locks.signOn(anna);
  locks.signOn(ben);

  std::vector<LockOutcome> outcomes;
  for (const LockerId locker : {anna, ben}) {
    LockRequest request;
    request.locker = locker;
    request.target = LockTarget{100};
    request.type = LockType::Exclusive;
    request.timeout = LockTimeout::immediate();
    locks
        .request(request,
                 [&outcomes](const LockAnswer& answer) { outcomes.push_back(answer.outcome); })
        .deliver();
  }

  const auto store = ObjectStore::open({.directory = {}, .inMemory = true});
  ClassDef order;
  order.name = "Order";
  const auto defined = store->defineClass(order);

  const bool well = outcomes.size() == 2 && outcomes[0] == LockOutcome::Granted &&
                    outcomes[1] == LockOutcome::Refused && defined->name == "Order";
  std::cout << (well ? "well\n" : "an installed Nephrite does not do what it does in its tree\n");
  return well ? 0 : 1;
}
