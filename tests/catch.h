#pragma once

// Catch2 v3 where it is installed, v2's single header (Debian 12) otherwise: docs/adr/0009.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Matchers::ContainsSubstring;
#else
#include <catch2/catch.hpp>
namespace Catch {
using Detail::Approx;  // its place in v3
}
// NOLINTNEXTLINE(readability-identifier-naming): v3's name
inline auto ContainsSubstring(const std::string& text) { return Catch::Matchers::Contains(text); }
#endif
