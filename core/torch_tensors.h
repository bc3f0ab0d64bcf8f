#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/checkpoint.h"
#include "core/pickle.h"
#include "core/zip.h"

namespace limn {

/// Whether a pickled checkpoint of tensors may name this function or class.
bool admitted_in_checkpoint(std::string_view name);

/// A storage as a pickle refers to it: a run of bytes that tensors are views of.
struct StorageReference {
  std::string key;          ///< the storage's name in its container
  at::ScalarType dtype;     ///< bytes for an untyped storage
  std::int64_t numel = 0;   ///< of the whole storage
  std::int64_t offset = 0;  ///< a view of a part, in elements (older container only)
  std::int64_t count = 0;   ///< elements of that part
};

/// @param persistent  a node of kind persistent
/// @throws CheckpointError unless it refers to a storage
StorageReference storage_reference(const Pickle& pickle, const PickleNode& persistent, const std::string& where);

/// Gives a storage's bytes when a tensor is loaded. It is asked for while the pickle is read, and must have checked by
/// then that the storage is there with the size that the reference states.
using FindStorage = std::function<std::function<OwnedBytes()>(const StorageReference&)>;

/// The tensors in a checkpoint's object, named as read_torch_file says.
TensorTable tensors_in(const Pickle& pickle, const std::filesystem::path& file, const FindStorage& find);

}  // namespace limn
