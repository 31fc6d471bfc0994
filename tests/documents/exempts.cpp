#include "tests/documents/claims.h"

namespace nephrite::documents {
namespace {

const char* const kMeasured =
    "measured for the decision, on the machine and day it names; it "
    "stays as it was, bench/RESULTS.md has the figures of today";

}  // namespace

const std::vector<Exempt>& exempts() {
  static const std::vector<Exempt> all{
      {"README.md", "| what | Nephrite | beside it |...",
       "tests/tidy compares the table with bench/RESULTS.md"},
      {"docs/ini.md", "## Parameters...",
       "tests/ini compares the whole document with what the program writes"},
      {"docs/store.md", "## Records...",
       "tests/objects/record_codec_test.cpp has its example, byte by byte"},
      {"docs/wire.md", "## A worked example...",
       "tests/wire/document_test.cpp compares its bytes with what is sent"},
      {"docs/wire.md", "microseconds since 1970, UTC", "a year of the calendar"},
      {"CONTRIBUTING.md", "an order of at most 72 characters", "asked of people; nothing reads it"},
      {"base/README.md", "at least two rooms need it", "asked of people; nothing reads it"},
      {"docs/decisions/0008-flatbuffers.md", "64-bit numbers not everywhere", "of JSON, not ours"},
      {"docs/decisions/0008-flatbuffers.md", "| message | bytes | encode | decode |...", kMeasured},
      {"docs/decisions/0008-flatbuffers.md", "25 November 2026...", kMeasured},
      {"docs/decisions/0011-no-spin-by-default.md", "| lock + unlock over |...", kMeasured},
      {"docs/decisions/0011-no-spin-by-default.md", "A bare echo...", kMeasured},
      {"docs/decisions/0011-no-spin-by-default.md", "**Why.**...", kMeasured},
      {"docs/decisions/0012-a-fast-path-beside-the-table.md", "**Measured** on...", kMeasured},
      {"docs/decisions/0013-the-servers-own-event-loop.md", "83 % is the kernel's", kMeasured},
      {"docs/decisions/0014-who-waits-reads.md", "**Measured**, p50...", kMeasured},
      {"docs/decisions/0015-retained-locks.md", "**What it costs.**...", kMeasured},
      {"docs/decisions/0015-retained-locks.md", "Reading the counter...", kMeasured},
      {"docs/decisions/0015-retained-locks.md", "Fencing tokens of a database...",
       "of the processor that was measured: its counter and its number of cores"},
      {"docs/decisions/0016-short-messages.md", "**What it brings.**...", kMeasured},
      {"docs/decisions/0016-short-messages.md", "With it went...", kMeasured},
      {"docs/decisions/0017-commits-without-rocksdbs-order.md", "**Question.**...", kMeasured},
      {"docs/decisions/0017-commits-without-rocksdbs-order.md", "**What it brings.**...",
       kMeasured},
      {"docs/decisions/0018-nobody-waits-for-the-log.md", "**Why.** The log of a service...",
       "what a pipe of Linux holds; tests/remote/log_reader_test.cpp fills one with so many"},
  };
  return all;
}

}  // namespace nephrite::documents
