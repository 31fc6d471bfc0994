#include "ini/parameter_docs.h"

#include <ostream>

#include "ini/parameter_table.h"

namespace nephrite {
namespace {

constexpr const char* kRules = R"(# The initialization file

Written by the program from its table of parameters; change the table, not this file.

## Where it is

The `ini=` argument, else `jade.ini` in the directory of `path=`, else `jade.ini` in the working
directory. A missing file is error 125. An empty file starts with the defaults, which are not
written into it: Nephrite changes the file for a cache size out of range or when told to set a
value, and then replaces that value alone.

## How it is read

- `[Section]`, with the `[` in column 1, then `Parameter=value`. Letter case of names does not
  count; blanks around names and values do not either. Equal sections are one section.
- `;` begins a comment, up to the end of the line, unless it stands inside quotes.
- A value in double quotes may hold `;` and outer blanks. The quotes are not part of it; there
  are no escapes. Outside quotes ` //` and ` #` in a value that is read are an error: other files
  begin a comment with them.
- `<default>` in any letter case, for every type, is the built-in default.
- Numbers are whole: 1.5M is read as 1, with a warning. They may be `#hex` or `Max_Integer`. Sizes
  take K, M, G, T or P, powers of 1024. Other text, such as 12abc, is an error.
- A relative path starts at the INI file's folder. Where the range says `none`, that word is no path
  at all; a file of that name is `./none`.
- A cache size out of range is brought into it, logged, and written back. Any other value out of
  range is an error with file and line, and the node does not start.
- The first of two equal parameters counts; the other is reported with both line numbers.
- `[Id.Section]` counts before `[Section]` when the node is started with `name=Id`, and is ignored
  otherwise. The letter case of Id counts; it has no dot and at most 100 characters.
- `Section.Parameter=value` on the command line counts before the file; blanks and quotes count as
  there, and a `;` is part of the value. In the section
  [JadeCommandLine] such a line does the same, after the real command line; other lines there have
  no effect and are reported.
- Unknown sections and parameters are reported, with the nearest known name if one is near, unless
  their value is `<default>` or nothing stands in the section.
- UTF-8, with or without a byte order mark; lines end in LF, CRLF or CR and have any length. Other
  bytes, as of Latin-1, may stand in comments and in values that are not read; in one that is read
  they are an error. The file has at most 16 MiB.

`nephrite ini check FILE` reports all that is wrong; `nephrite ini show` lists every value and where
it comes from. Neither changes the file. What `check` passes, a server node starts with, unless
somebody else has the port or the store.

## Where a client node finds its server node

[JadeClient] ServerNodeSpecifications has JADE's form; blanks and letter case do not count.

| value | what it is |
|---|---|
| `TcpIP, localhost, 6005` | every address of the host, IP version 6 before 4; also `TcpIPAny` |
| `TcpIPv4, 10.0.0.7, 6005` | IP version 4 alone |
| `TcpIPv6, ::1, 6005` | IP version 6 alone |
| `Unix, /run/nephrite/nephrite.sock` | ours: a socket in the file system, at most 107 bytes long |

There is one server, and its port is a number from 1 to 65535. What JADE takes besides is an error:
port names, a local interface and port after the port, the transports JadeLocal and HPSM.
)";

void writeRow(std::ostream& out, const Parameter& row) {
  const std::string range = rangeText(row);
  out << "| " << row.name << " | " << typeText(row.type) << " | " << row.defaultText << " | "
      << (range.empty() ? "-" : range) << " | " << (row.dynamic ? "reload" : "start") << " | "
      << row.meaning << (row.effect ? "" : " Known, no effect.") << " |\n";
}

}  // namespace

void writeParameterDocs(std::ostream& out) {
  out << kRules << "\n## Parameters\n\nRead at start, or again at a reload (SIGHUP).\n";
  std::string_view section;
  for (const Parameter& row : parameterTable()) {
    if (row.type == ParameterType::Unread) continue;
    if (row.section != section)
      out << "\n### [" << row.section << "]\n\n"
          << "| parameter | unit | default | range | read at | meaning "
             "|\n|---|---|---|---|---|---|\n";
    section = row.section;
    writeRow(out, row);
  }
  out << "\n## Parameters of JADE without effect\n\nKnown, not read, and reported.\n\n";
  for (const Parameter& row : parameterTable())
    if (row.type == ParameterType::Unread)
      out << "- [" << row.section << "] `" << row.name << "`" << (row.meaning.empty() ? "" : ": ")
          << row.meaning << "\n";
}

}  // namespace nephrite
