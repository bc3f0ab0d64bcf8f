#include "tests/goldens/kinds.h"

namespace limn::golden {

std::span<const Kind> kinds() {
  static constexpr Kind kKinds[] = {
      {"preprocess", run_preprocess},
      {"vision", run_vision},
      {"logits", run_logits},
      {"caption", run_caption},
      {"embed-image", run_embed_image},
      {"embed-text", run_embed_text},
      {"similarity", run_similarity},
      {"match", run_match},
      {"answer", run_answer},
      {"stylize", run_stylize},
      {"tokenize", run_tokenize},
      {"caption-metrics", run_caption_metrics},
      {"ptb-tokenize", run_ptb_tokens},
      {"cjk-tokenize", run_cjk_tokens},
      {"retrieval-metrics", run_retrieval_metrics},
      {"classification-metrics", run_classification_metrics},
  };
  return kKinds;
}

}  // namespace limn::golden
