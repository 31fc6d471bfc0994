#pragma once

#include <iosfwd>

namespace nephrite {

/// Writes docs/ini.md: how the file is found and read, then the table of parameters.
void writeParameterDocs(std::ostream& out);

}  // namespace nephrite
