#include "fusion/database.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "core/ops.h"

namespace limn {

namespace {

/// Network byte order, whatever this machine's is.
template <typename T>
T from_network(const char* bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return static_cast<T>(value);
}

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// The first line, without the word "ERROR": the others repeat the statement.
std::string reason_of(const char* message) {
  std::string text = message ? message : "";
  for (const char* word : {"ERROR:  ", "FATAL:  "})
    if (const std::size_t at = text.find(word); at != std::string::npos) text.erase(0, at + std::strlen(word));
  text = text.substr(0, text.find('\n'));
  return text.empty() ? "no reason given" : text;
}

}  // namespace

std::string address_name(const std::string& address) {
  const std::size_t scheme = address.find("://"), at = address.find('@', scheme);
  const std::size_t colon = address.find(':', scheme + 3);
  std::string name = address.substr(0, address.find('?'));
  if (scheme != std::string::npos && at != std::string::npos && colon < at) name.erase(colon, at - colon);
  return name;
}

bool is_database(const std::string& name) {
  return name.starts_with("postgresql://") || name.starts_with("postgres://");
}

std::string vector_text(const Tensor& vector) {
  const Tensor numbers = vector.to(at::kCPU, at::kFloat).contiguous();
  std::string text = "[";
  char digits[32];
  for (std::int64_t i = 0; i < numbers.numel(); ++i) {
    std::snprintf(digits, sizeof digits, "%s%.9g", i == 0 ? "" : ",",
                  static_cast<double>(numbers.data_ptr<float>()[i]));
    text += digits;
  }
  return text + "]";
}

DatabaseRows::DatabaseRows(pg_result* result) : result_(result, PQclear) {}

std::int64_t DatabaseRows::size() const { return result_ ? PQntuples(result_.get()) : 0; }

bool DatabaseRows::null(std::int64_t row, int column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), column) != 0;
}

std::string_view DatabaseRows::text(std::int64_t row, int column) const {
  return {PQgetvalue(result_.get(), static_cast<int>(row), column),
          static_cast<std::size_t>(PQgetlength(result_.get(), static_cast<int>(row), column))};
}

std::int64_t DatabaseRows::integer(std::int64_t row, int column) const {
  const std::string_view bytes = text(row, column);
  switch (bytes.size()) {
    case 2:
      return from_network<std::int16_t>(bytes.data());
    case 4:
      return from_network<std::int32_t>(bytes.data());
    case 8:
      return from_network<std::int64_t>(bytes.data());
  }
  throw InputError("database: got a value of " + std::to_string(bytes.size()) + " bytes, expected a whole number");
}

double DatabaseRows::number(std::int64_t row, int column) const {
  const std::string_view bytes = text(row, column);
  if (bytes.size() != 8) throw InputError("database: got another value, expected double precision");
  const auto bits = from_network<std::uint64_t>(bytes.data());
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

Tensor DatabaseRows::vectors(int column, VectorType type) const {
  // int16 count, int16 unused, then the numbers
  const std::int64_t N = size();
  const auto D = N == 0 ? 0 : static_cast<std::int64_t>(from_network<std::uint16_t>(text(0, column).data()));
  const bool half = type == VectorType::fp16;
  const Tensor all = at::empty({N, D}, half ? at::kHalf : at::kFloat);
  const std::size_t size = half ? 2 : 4;
  auto* out = static_cast<char*>(all.data_ptr());
  for (std::int64_t n = 0; n < N; ++n) {
    const std::string_view bytes = text(n, column);
    if (bytes.size() != 4 + size * static_cast<std::size_t>(D))
      throw InputError("database: vectors: got rows of different types or widths");
    for (std::int64_t d = 0; d < D; ++d, out += size) {
      const char* const number = bytes.data() + 4 + size * static_cast<std::size_t>(d);
      if (half) {
        const auto bits = from_network<std::uint16_t>(number);
        std::memcpy(out, &bits, size);
      } else {
        const auto bits = from_network<std::uint32_t>(number);
        std::memcpy(out, &bits, size);
      }
    }
  }
  return all;
}

Database::Database(const std::string& address) : name_(address_name(address)) {
  connection_ = {PQconnectdb(address.c_str()), PQfinish};
  if (PQstatus(connection_.get()) != CONNECTION_OK)
    throw InputError(name_ + ": no connection: " + reason_of(PQerrorMessage(connection_.get())));
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);  // the library prints nothing
  PQsetClientEncoding(connection_.get(), "UTF8");
}

DatabaseRows Database::run(const std::string& statement, const std::vector<std::string>& values) const {
  if (PQstatus(connection_.get()) == CONNECTION_BAD) PQreset(connection_.get());  // the server was started anew
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  DatabaseRows rows;
  pg_result* const result = PQexecParams(connection_.get(), statement.c_str(), static_cast<int>(values.size()), nullptr,
                                         pointers.data(), nullptr, nullptr, /*resultFormat=*/1);
  rows = DatabaseRows(result);
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_COPY_IN)
    throw InputError(name_ + ": " + reason_of(PQerrorMessage(connection_.get())));
  return rows;
}

void Database::copy(const std::string& statement, const std::string& rows) const {
  run(statement);
  constexpr std::size_t kPiece = std::size_t{1} << 24;
  int sent = 1;
  for (std::size_t at = 0; at < rows.size() && sent == 1; at += kPiece)
    sent = PQputCopyData(connection_.get(), rows.data() + at, static_cast<int>(std::min(kPiece, rows.size() - at)));
  if (sent == 1) sent = PQputCopyEnd(connection_.get(), nullptr);
  std::string fault = sent == 1 ? "" : reason_of(PQerrorMessage(connection_.get()));
  while (pg_result* const result = PQgetResult(connection_.get())) {
    if (PQresultStatus(result) != PGRES_COMMAND_OK && fault.empty())
      fault = reason_of(PQerrorMessage(connection_.get()));
    PQclear(result);
  }
  if (!fault.empty()) throw InputError(name_ + ": " + fault);
}

Transaction::Transaction(const Database& database) : database_(database) { database_.run("BEGIN"); }

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const InputError&) {
    // the connection is gone, and the transaction with it
  }
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

CopyRows::CopyRows() : bytes_("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19) {}

template <typename T>
void CopyRows::put(T value) {
  for (std::size_t i = sizeof(T); i-- > 0;)
    bytes_ += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF);
}

CopyRows& CopyRows::row(int columns) {
  put(static_cast<std::int16_t>(columns));
  return *this;
}

CopyRows& CopyRows::integer(std::int64_t value) {
  put(std::int32_t{8});
  put(value);
  return *this;
}

CopyRows& CopyRows::text(std::string_view value) {
  put(static_cast<std::int32_t>(value.size()));
  bytes_ += value;
  return *this;
}

CopyRows& CopyRows::vector(const Tensor& row) {
  const Tensor numbers = row.contiguous();
  const bool half = numbers.scalar_type() == at::kHalf;
  const std::int64_t D = numbers.numel();
  put(static_cast<std::int32_t>(4 + (half ? 2 : 4) * D));
  put(static_cast<std::int16_t>(D));
  put(std::int16_t{0});
  for (std::int64_t d = 0; d < D; ++d) {
    if (half)
      put(numbers.data_ptr<at::Half>()[d].x);
    else
      put(bits_of(numbers.data_ptr<float>()[d]));
  }
  return *this;
}

std::string CopyRows::finish() && {
  put(std::int16_t{-1});
  return std::move(bytes_);
}

}  // namespace limn
