#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"
#include "fusion/vectors.h"

struct pg_conn;
struct pg_result;

namespace limn {

/// Rows that a query gave, in PostgreSQL's binary format.
class DatabaseRows {
 public:
  DatabaseRows() = default;
  explicit DatabaseRows(pg_result* result);

  std::int64_t size() const;
  bool null(std::int64_t row, int column) const;
  std::string_view text(std::int64_t row, int column) const;
  std::int64_t integer(std::int64_t row, int column) const;  ///< smallint, integer or bigint
  double number(std::int64_t row, int column) const;         ///< double precision
  Tensor vectors(int column, VectorType type) const;         ///< pgvector's vector or halfvec: float or half [N D]

 private:
  std::shared_ptr<pg_result> result_;
};

/// A connection to PostgreSQL. One thread at a time.
class Database {
 public:
  /// @param address  as libpq understands it: postgresql://user@host/database?options
  /// @throws InputError saying why there is no connection
  explicit Database(const std::string& address);

  /// The address without its password.
  const std::string& name() const { return name_; }

  /// Runs one statement; $1, $2, … are the values, as text. @throws InputError with the server's reason
  DatabaseRows run(const std::string& statement, const std::vector<std::string>& values = {}) const;

  /// Writes rows: COPY … FROM STDIN (FORMAT binary). @param rows  one after the other, see CopyRows
  void copy(const std::string& statement, const std::string& rows) const;

 private:
  std::string name_;
  std::shared_ptr<pg_conn> connection_;
};

/// All or nothing: what is not committed is undone.
class Transaction {
 public:
  explicit Transaction(const Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

/// Rows in the binary format of COPY.
class CopyRows {
 public:
  CopyRows();
  CopyRows& row(int columns);
  CopyRows& integer(std::int64_t value);  ///< bigint
  CopyRows& text(std::string_view value);
  CopyRows& vector(const Tensor& row);  ///< float or half [D]
  std::string finish() &&;

 private:
  template <typename T>
  void put(T value);
  std::string bytes_;
};

/// Whether a name is an address of a database instead of a file's.
bool is_database(const std::string& name);

/// The address without its password and options.
std::string address_name(const std::string& address);

/// "[0.1,0.2]", as pgvector reads it. @param vector  float [D]
std::string vector_text(const Tensor& vector);

}  // namespace limn
