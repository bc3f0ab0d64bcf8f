#pragma once

#include "core/rename.h"

/// Rows of a rename table for a tower's layers as transformers' CLIP and SigLIP name them, below `from` in the file
/// and `to` here.
#define LIMN_CLIP_LAYERS(from, to)                                                           \
  {from "layers.{}.self_attn.q_proj.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 0, 3},     \
      {from "layers.{}.self_attn.k_proj.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 1, 3}, \
      {from "layers.{}.self_attn.v_proj.{p}", to "blocks.{}.self.qkv.{p}", Fix::none, 2, 3}, \
      {from "layers.{}.self_attn.out_proj.{p}", to "blocks.{}.self.out.{p}"},                \
      {from "layers.{}.layer_norm1.{p}", to "blocks.{}.self_norm.{p}"},                      \
      {from "layers.{}.layer_norm2.{p}", to "blocks.{}.mlp_norm.{p}"},                       \
      {from "layers.{}.mlp.fc1.{p}", to "blocks.{}.up.{p}"}, {                               \
    from "layers.{}.mlp.fc2.{p}", to "blocks.{}.down.{p}"                                    \
  }
