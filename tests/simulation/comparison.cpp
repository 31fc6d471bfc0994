#include "tests/simulation/comparison.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include "node/schedule/replay.h"
#include "tests/simulation/lock_model.h"
#include "tests/simulation/schedule_generator.h"
#include "tests/simulation/worlds.h"

namespace nephrite {
namespace {

/// Nothing when the lines cannot be run to their end.
std::optional<Events> legalEvents(const std::vector<ScheduleLine>& lines) {
  LockModel model;
  try {
    for (const ScheduleLine& line : lines) model.run(line);
  } catch (const ScheduleError&) {
    return std::nullopt;
  }
  return model.events();
}

std::vector<ScheduleLine> without(const std::vector<ScheduleLine>& lines, std::size_t at,
                                  std::size_t count) {
  std::vector<ScheduleLine> rest;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i >= at && i < at + count) continue;
    rest.push_back(lines[i]);
    rest.back().number = static_cast<int>(rest.size());
  }
  return rest;
}

bool differs(const std::vector<ScheduleLine>& lines, Form form) {
  const auto model = legalEvents(lines);
  return model && *model != eventsOfReplay(textOf(lines), form);
}

/// Drops lines, pairs at the end too (a begin and its commit), while the rest still differs.
std::vector<ScheduleLine> shrunk(std::vector<ScheduleLine> lines, Form form) {
  bool smaller = true;
  while (smaller) {
    smaller = false;
    for (const std::size_t count : {8U, 4U, 2U, 1U}) {
      for (std::size_t at = lines.size(); at-- > 0;) {
        if (at + count > lines.size()) continue;
        auto rest = without(lines, at, count);
        if (!differs(rest, form)) continue;
        lines = std::move(rest);
        smaller = true;
      }
    }
  }
  return lines;
}

std::string sideBySide(const Events& model, const Events& replayed) {
  std::size_t at = 0;
  while (at < model.size() && at < replayed.size() && model[at] == replayed[at]) ++at;
  std::string text = "first " + std::to_string(at) + " events agree; then\n";
  const std::size_t end = std::max(model.size(), replayed.size());
  for (; at < end; ++at) {
    text += "  model:  " + (at < model.size() ? model[at] : "-") + "\n";
    text += "  replay: " + (at < replayed.size() ? replayed[at] : "-") + "\n";
  }
  return text;
}

Events printed(const std::string& text, const std::string& complaint, int status) {
  Events events;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    events.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (status != 0 || !complaint.empty()) {
    events.push_back("exit status " + std::to_string(status) + ": " + complaint);
  }
  return events;
}

}  // namespace

Events eventsOfModel(const std::vector<ScheduleLine>& lines) {
  LockModel model;
  for (const ScheduleLine& line : lines) model.run(line);
  return model.events();
}

Events eventsOfReplay(const std::string& schedule, Form form) {
  if (form == Form::Wire) {
    WireWorld world;
    return eventsOfReplay(schedule, world);
  }
  std::ostringstream out, errors;
  std::istringstream in(schedule);
  const int status = replay(in, out, errors);
  return printed(out.str(), errors.str(), status);
}

Events eventsOfReplay(const std::string& schedule, ReplayWorld& world) {
  std::ostringstream out, errors;
  std::istringstream in(schedule);
  const int status = replay(in, out, errors, world);
  return printed(out.str(), errors.str(), status);
}

std::string difference(const std::vector<ScheduleLine>& lines, const Events& model, Form form) {
  if (model == eventsOfReplay(textOf(lines), form)) return "";

  const std::vector<ScheduleLine> small = shrunk(lines, form);
  return "schedule:\n" + textOf(small) +
         sideBySide(eventsOfModel(small), eventsOfReplay(textOf(small), form));
}

}  // namespace nephrite
