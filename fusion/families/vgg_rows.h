#pragma once

#include "core/rename.h"

/// Rows of a rename table for vision/vgg's decoder as pytorch-AdaIN and StyTr2 name it, a Sequential whose padding,
/// ReLU and upsampling have numbers, too.
#define LIMN_VGG_DECODER_ROWS(from, to)                                                                            \
  {from "1.{p}", to "0.{p}"}, {from "5.{p}", to "1.{p}"}, {from "8.{p}", to "2.{p}"}, {from "11.{p}", to "3.{p}"}, \
      {from "14.{p}", to "4.{p}"}, {from "18.{p}", to "5.{p}"}, {from "21.{p}", to "6.{p}"},                       \
      {from "25.{p}", to "7.{p}"}, {                                                                               \
    from "28.{p}", to "8.{p}"                                                                                      \
  }
