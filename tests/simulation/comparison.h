#pragma once

#include <string>
#include <vector>

#include "node/schedule/replay.h"
#include "node/schedule/schedule.h"
#include "tests/support/database_form.h"

namespace nephrite {

/// What a run of a schedule printed, line by line; a run that stopped ends with the complaint.
using Events = std::vector<std::string>;

Events eventsOfModel(const std::vector<ScheduleLine>& lines);
Events eventsOfReplay(const std::string& schedule, Form form = Form::Local);
Events eventsOfReplay(const std::string& schedule, ReplayWorld& world);

/// Compares what `nephrite replay` prints for `lines` with `model`. Empty when they agree; else
/// the schedule cut down as far as it still differs, and both outputs from the first difference.
/// A schedule that grew illegal by a cut counts as agreeing.
std::string difference(const std::vector<ScheduleLine>& lines, const Events& model,
                       Form form = Form::Local);

}  // namespace nephrite
