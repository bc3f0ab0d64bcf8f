#pragma once

#include "core/rename.h"

/// Rows of a rename table for a text tower as BERT and BLIP name it, below `from` in the file and `to` here: with or
/// without segments and cross-attention.
#define LIMN_BERT_ROWS(from, to)                                                                             \
  {from "embeddings.word_embeddings.weight", to "words.weight"},                                             \
      {from "embeddings.position_embeddings.weight", to "positions.weight"},                                 \
      {from "embeddings.token_type_embeddings.weight", to "token_types.weight"},                             \
      {from "embeddings.LayerNorm.{n}", to "embedding_norm.{p}"}, {from "embeddings.position_ids", ""},      \
      {from "encoder.layer.{}.attention.self.query.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 0, 3},      \
      {from "encoder.layer.{}.attention.self.key.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 1, 3},        \
      {from "encoder.layer.{}.attention.self.value.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 2, 3},      \
      {from "encoder.layer.{}.attention.output.dense.{p}", to "blocks.{}.self.out.{p}"},                     \
      {from "encoder.layer.{}.attention.output.LayerNorm.{n}", to "blocks.{}.self_norm.{p}"},                \
      {from "encoder.layer.{}.crossattention.self.query.{p}", to "blocks.{}.cross.q.{p}"},                   \
      {from "encoder.layer.{}.crossattention.self.key.{p}", to "blocks.{}.cross.kv.{p}", Fix::none, 0, 2},   \
      {from "encoder.layer.{}.crossattention.self.value.{p}", to "blocks.{}.cross.kv.{p}", Fix::none, 1, 2}, \
      {from "encoder.layer.{}.crossattention.output.dense.{p}", to "blocks.{}.cross.out.{p}"},               \
      {from "encoder.layer.{}.crossattention.output.LayerNorm.{n}", to "blocks.{}.cross_norm.{p}"},          \
      {from "encoder.layer.{}.intermediate.dense.{p}", to "blocks.{}.up.{p}"},                               \
      {from "encoder.layer.{}.output.dense.{p}", to "blocks.{}.down.{p}"}, {                                 \
    from "encoder.layer.{}.output.LayerNorm.{n}", to "blocks.{}.mlp_norm.{p}"                                \
  }
