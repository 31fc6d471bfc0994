#pragma once

#include <functional>
#include <string>

#include "locking/deadlock_record.h"

namespace nephrite {

/// What processes and objects of a deadlock are called: any text, also one that two share.
struct DeadlockNames {
  std::function<std::string(LockerId)> process;
  std::function<std::string(LockTarget)> object;
};

/// The deadlock as a schedule that `nephrite replay` plays to the same end: the same processes
/// hold and wait for the same, and when the last line asks, the same are refused with 1081.
///
/// Shape:   settings, processes, objects; then each lock that was held, in the order of
///          acquisition; then each wait, queue by queue from its head; last the request that closed
///          the circle. All processes are in a transaction, and no time passes. Comments say when
///          it happened, which processes were on the circle, and how long locks were held and
///          waited for.
/// Names:   as given where a schedule can say them; else blanks, `#` and what is not printable
///          become `_`, and a process that would be called like another gets a number. Comments
///          have them as given.
/// Places:  objects that are below others have their paths, and what they are below is there, too.
///          A root that is the only one is called `/`; several stand right below it.
/// Limits:  of a record that was truncated, those refused after the first may differ. A process
///          that waited for several locks at once (Process::lockAsync) waits for one of them here,
///          and the schedule may end otherwise. A comment says so in both cases.
///          Of what is in the way of one request above and below its place the order of the grants
///          is not always known, so a deadlock through a tree may now and then end otherwise, too.
/// Threads: any.
/// Source:  docs/schedule.md.
std::string scheduleOf(const DeadlockRecord& record, const DeadlockNames& names);

}  // namespace nephrite
