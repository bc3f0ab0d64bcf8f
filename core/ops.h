#pragma once

// All of ATen's operators: included by .cpp files only, and the library's precompiled header. A list of single
// operators compiles no faster behind a precompiled header, and every new line of it rebuilt everything.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <optional>
