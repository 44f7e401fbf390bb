/* Any bytes as a table; every column that comes out is complete and can be used. */
#include "data/csv.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Table table;
  Err err;
  CsvOptions options = {0};
  if (size > 0 && bytes[0] % 4 == 1) options.header = CSV_HEADER_NO;
  if (size > 0 && bytes[0] % 8 == 2) options.separator = ' ';
  if (csv_parse(&table, bytes, size, &options, "fuzz", &err) != NN_OK) return 0;
  for (int i = 0; i < table.columns; i++) {
    const Column *column = &table.column[i];
    int64_t missing = 0;
    for (int64_t row = 0; row < table.rows; row++) {
      double value = column->values[row];
      missing += isnan(value);
      if (column->texts && !isnan(value) && !(value >= 0 && value < (double)column->text_count))
        abort();
    }
    if (missing != column->missing) abort();
    ColumnSummary summary;
    if (table_summary(&summary, &table, i, &err) != NN_OK) abort();
  }
  table_free(&table);
  return 0;
}
