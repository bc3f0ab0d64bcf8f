#include <ATen/ops/zeros.h>

#include <iostream>

#include "core/json.h"
#include "core/tensor.h"

// A template of the headers, code of the static library, an error across both.
int main() {
  const auto [rows, columns] = limn::dims<2>(at::zeros({2, 3}), "consumer: table [rows columns]");
  std::cout << "table of " << rows << " x " << columns << "\n";
  try {
    limn::Json::read("no/such/config.json");
  } catch (const limn::Error& error) {
    std::cout << error.what() << "\n";
    return 0;
  }
  return 1;
}
