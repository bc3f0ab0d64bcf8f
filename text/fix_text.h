#pragma once

#include <string>
#include <string_view>

namespace limn {

/// Repairs broken text as ftfy.fix_text does with its defaults, which open_clip's and OpenAI's CLIP apply to every
/// text: HTML entities, mojibake (UTF-8 read in a single-byte encoding, whole or in parts), C1 controls, ligatures,
/// full and half width, curly quotes, line ends, terminal escapes, control characters, NFC; again until nothing
/// changes. Source: ftfy 6.3 (Apache-2.0): __init__.py, fixes.py, badness.py, chardata.py.
std::string fix_text(std::string_view text);

}  // namespace limn
