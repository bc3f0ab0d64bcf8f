#pragma once

#include <string>
#include <string_view>

namespace limn {

/// Character references to characters, as Python's html.unescape: &amp; &#169; &#x1F600; and those names that HTML lets
/// stand without their semicolon, as the longest prefix.
std::string unescape_html(std::string_view text);

/// The text of one named reference, `name` with its semicolon where it has one; empty where there is none.
std::string html_entity(std::string_view name);

}  // namespace limn
