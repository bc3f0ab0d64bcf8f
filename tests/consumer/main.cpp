#include <ATen/ops/zeros.h>

#include <iostream>

#include "core/tensor.h"
#include "fusion/model.h"

// A template of the headers, code of all static libraries (a picture described by a model), an error across both.
int main(int argc, char* argv[]) {
  if (argc != 3) return 2;
  const auto [rows, columns] = limn::dims<2>(at::zeros({2, 3}), "consumer: table [rows columns]");
  std::cout << "table of " << rows << " x " << columns << "\n";
  const limn::Model model = limn::open_model(argv[1]);
  const limn::Captioner& captioner = model.captioner.value();
  const auto picture = captioner.preprocess(limn::read_image(argv[2])).unsqueeze(0);  // [1 3 H W]
  const auto captions =
      captioner(picture, {.prompt = {}, .language = {}, .banned = {}, .generate = captioner.defaults});
  std::cout << captions.at(0).at(0).text << "\n";
  try {
    limn::open_model("no/such/folder");
  } catch (const limn::Error& error) {
    std::cout << error.what() << "\n";
    return 0;
  }
  return 1;
}
