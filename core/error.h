#pragma once

#include <stdexcept>
#include <string>

namespace limn {

/// Base of all errors that Limn raises on purpose. Messages follow `where: what: got X, expected Y; hint`.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What the caller handed in cannot be used: a picture, a text, a shape, an option's value.
struct InputError : Error {
  using Error::Error;
};

/// A model folder's files cannot be used: weights, configuration, tokenizer.
struct CheckpointError : Error {
  using Error::Error;
};

/// A result cannot be written.
struct WriteError : Error {
  using Error::Error;
};

}  // namespace limn
