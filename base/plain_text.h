#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace nephrite {

/// Text that a stranger chose (the name of a process, the bytes of a message), made fit for a line
/// of a log or a terminal: what could move the cursor, begin another line, turn the direction of
/// reading or hide is shown as an escape, "\n" or "\x1b" or "\u202e", and so is a byte that is no
/// UTF-8. All else, in any script, stays as it is. For people: two texts may look the same after it
/// when one of them held a backslash.
std::string plainText(std::string_view text);

/// True when plainText() would change nothing.
bool isPlainText(std::string_view text);

/// Offset of the first byte that cannot stand where it stands in UTF-8; empty when all is well.
std::optional<std::size_t> notUtf8At(std::string_view text);

/// Appends plainText(text); each character of `alsoEscaped`, all ASCII, gets a backslash, too.
void appendPlainText(std::string& line, std::string_view text, std::string_view alsoEscaped = {});

}  // namespace nephrite
