#pragma once

#include <filesystem>
#include <string>

namespace limn {

/// The root of the sources.
std::filesystem::path source_folder();

/// The folder of fixtures: LIMN_FIXTURES, else ../shared/fixtures beside the sources. It may be absent.
std::filesystem::path fixtures_folder();

/// The program `limn` of this build.
std::string limn_program();

}  // namespace limn
