#pragma once
#include <ATen/ATen.h>
#include "tests/catch.h"
