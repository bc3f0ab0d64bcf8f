#pragma once

#include "tests/goldens/runner.h"

// One function per kind of case, each field's in its own kinds_<field>.cpp; kinds.cpp has the table.
namespace limn::golden {

void run_preprocess(GoldenCase& current);
void run_vision(GoldenCase& current);
void run_logits(GoldenCase& current);
void run_caption(GoldenCase& current);
void run_embed_image(GoldenCase& current);
void run_embed_text(GoldenCase& current);
void run_similarity(GoldenCase& current);
void run_match(GoldenCase& current);
void run_answer(GoldenCase& current);
void run_stylize(GoldenCase& current);
void run_tokenize(GoldenCase& current);
void run_caption_metrics(GoldenCase& current);
void run_ptb_tokens(GoldenCase& current);
void run_cjk_tokens(GoldenCase& current);
void run_retrieval_metrics(GoldenCase& current);
void run_classification_metrics(GoldenCase& current);

}  // namespace limn::golden
