#pragma once

#include <string>

namespace limn {

/// Text for HTML, between tags and in attributes with double quotes.
std::string html_escaped(const std::string& text);

/// A path as a relative address: everything but letters, digits, and -._~/ in per cent signs.
std::string url_path(const std::string& path);

}  // namespace limn
