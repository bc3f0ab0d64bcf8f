#pragma once

#include "tests/goldens/runner.h"

// One function per kind of case, each field's in its own kinds_<field>.cpp; kinds.cpp has the table.
namespace limn::golden {

void run_preprocess(GoldenCase& current);

}  // namespace limn::golden
