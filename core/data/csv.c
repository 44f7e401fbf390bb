/* Order of calls: csv_parse -> survey (first scan) -> decide_header -> decide_kinds -> fill (second
 * scan) -> sort_texts. */
#include "data/csv.h"

#include "base/hash.h"
#include "data/cell.h"
#include "data/file.h"
#include "data/scan.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXCERPT_SIZE = 40, FIRST_SLOTS = 16 };

const char *const csv_missing_default[] = {"?", "NA", "N/A", "NaN", "nan", "null", "NULL", NULL};

/* What the first scan learns of a column from the rows after the first. */
typedef struct Survey {
  int64_t counts[CELL_CLASS_COUNT];
  int64_t missing_line, missing_at;
  int64_t text_line, text_at; /* the first cell that is text */
  char text[EXCERPT_SIZE];    /* and its beginning */
  CellClass first;            /* the class of the cell in the first row */
  int64_t first_line, first_at;
} Survey;

/* The texts of a column, each once: an open hash table of indices into `texts`. */
typedef struct TextSet {
  const char **texts;
  int64_t count, room;
  int64_t *slots; /* index + 1; 0 is free */
  int64_t slot_count;
} TextSet;

typedef struct CsvReader {
  Table *table;
  const CsvOptions *options;
  Survey *surveys;
  int columns, room;
  Scan start; /* at the first row */
  TextSet *sets;
  const char *const *missing;
  bool missing_first[UCHAR_MAX + 1]; /* bytes that such a word begins with */
  locale_t locale;
  const char *name;
  Err *err;
} CsvReader;

static Status out_of_memory(const CsvReader *reader) {
  return err_set(reader->err, NN_NO_MEMORY, "%s: no memory for the table", reader->name);
}

static bool is_missing(const CsvReader *reader, const ScanCell *cell) {
  if (cell->length == 0) return true;
  if (!reader->missing_first[(unsigned char)cell->text[0]]) return false;
  for (const char *const *words = reader->missing; *words; words++)
    if (strlen(*words) == cell->length && memcmp(*words, cell->text, cell->length) == 0)
      return true;
  return false;
}

static void copy_excerpt(char out[EXCERPT_SIZE], const ScanCell *cell) {
  size_t length = cell->length < EXCERPT_SIZE ? cell->length : EXCERPT_SIZE - 1;
  memcpy(out, cell->text, length);
  out[length] = '\0';
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)out[i] < ' ') out[i] = ' ';
}

static CellClass classify(const CsvReader *reader, const ScanCell *cell) {
  if (is_missing(reader, cell)) return CELL_MISSING;
  return cell_classify(cell->text, cell->length);
}

static void note(Survey *survey, CellClass class, const ScanCell *cell) {
  survey->counts[class]++;
  if (class == CELL_MISSING && survey->missing_line == 0) {
    survey->missing_line = cell->line;
    survey->missing_at = cell->column;
  }
  if (class == CELL_TEXT && survey->text_line == 0) {
    survey->text_line = cell->line;
    survey->text_at = cell->column;
    copy_excerpt(survey->text, cell);
  }
}

static Status add_column(CsvReader *reader, CellClass class, const ScanCell *cell) {
  if (reader->columns == CSV_MAX_COLUMNS)
    return err_set(reader->err, NN_TOO_LARGE, "%s:%" PRId64 ": more than %d columns", reader->name,
                   cell->line, CSV_MAX_COLUMNS);
  if (reader->columns == reader->room) {
    int room = reader->room ? reader->room * 2 : 16;
    Survey *surveys = reallocarray(reader->surveys, (size_t)room, sizeof *surveys);
    if (!surveys) return out_of_memory(reader);
    reader->surveys = surveys;
    reader->room = room;
  }
  reader->surveys[reader->columns++] =
      (Survey){.first = class, .first_line = cell->line, .first_at = cell->column};
  return NN_OK;
}

static Status survey_row(CsvReader *reader, Scan *scan, bool first) {
  int64_t line = scan->line;
  ScanCell cell = {0};
  for (int column = 0; !cell.last; column++) {
    TRY(scan_cell(scan, &cell));
    CellClass class = classify(reader, &cell);
    if (first)
      TRY(add_column(reader, class, &cell));
    else if (column < reader->columns)
      note(&reader->surveys[column], class, &cell);
    if (!first && cell.last != (column == reader->columns - 1))
      return err_set(reader->err, NN_FORMAT,
                     "%s:%" PRId64 ":%" PRId64 ": this row has %s than the %d cells of the first "
                     "row; quote cells that contain a separator or a line end",
                     reader->name, line, cell.column, cell.last ? "fewer" : "more",
                     reader->columns);
  }
  return NN_OK;
}

/* First scan: how many rows and columns, and what is in them. */
static Status survey(CsvReader *reader) {
  Scan scan = reader->start;
  Status status = NN_OK;
  while (status == NN_OK && scan_row(&scan)) {
    bool first = reader->columns == 0;
    status = survey_row(reader, &scan, first);
    reader->table->rows += !first;
  }
  scan_end(&scan);
  if (status == NN_OK && reader->columns == 0)
    return err_set(reader->err, NN_FORMAT, "%s: there is no row in this file", reader->name);
  return status;
}

static bool has_values(const Survey *survey) {
  return survey->counts[CELL_INTEGER] + survey->counts[CELL_NUMBER] + survey->counts[CELL_BOOLEAN] >
         0;
}

/* A row of names has text only, above a column that has not. */
static Status decide_header(CsvReader *reader) {
  bool names = true, values_below = false;
  int texts = 0;
  for (int i = 0; i < reader->columns; i++) {
    CellClass first = reader->surveys[i].first;
    texts += first == CELL_TEXT;
    names = names && (first == CELL_TEXT || first == CELL_MISSING);
    values_below = values_below || has_values(&reader->surveys[i]);
  }
  names = names && texts > 0;
  CsvHeader choice = reader->options->header;
  if (choice == CSV_HEADER_FIND_OUT && names && !values_below && reader->table->rows > 0)
    return err_set(reader->err, NN_FORMAT,
                   "%s: every cell is text, so it is not clear whether the first row holds names; "
                   "say header = true or header = false",
                   reader->name);
  reader->table->header = choice == CSV_HEADER_YES || (choice == CSV_HEADER_FIND_OUT && names);
  if (!reader->table->header) reader->table->rows++;
  if (reader->table->rows == 0)
    return err_set(reader->err, NN_FORMAT, "%s: there is no row below the names", reader->name);
  return NN_OK;
}

static const CsvType *find_type(const CsvReader *reader, int column) {
  const CsvType *found = NULL;
  for (int i = 0; i < reader->options->type_count; i++) {
    const CsvType *type = &reader->options->types[i];
    if (type->name ? strcmp(type->name, reader->table->column[column].name) == 0
                   : type->position == column + 1)
      found = type;
  }
  return found;
}

static Status bad_cell(const CsvReader *reader, int column) {
  const Survey *survey = &reader->surveys[column];
  int64_t numbers = survey->counts[CELL_INTEGER] + survey->counts[CELL_NUMBER];
  bool first_row = survey->text_line == survey->first_line;
  return err_set(reader->err, NN_FORMAT,
                 "%s:%" PRId64 ":%" PRId64 ": '%s' is not a number, as %" PRId64 " of the %" PRId64
                 " cells of column '%s' are; correct it, name it as a missing value, or read the "
                 "column as text%s",
                 reader->name, survey->text_line, survey->text_at, survey->text, numbers,
                 reader->table->rows, reader->table->column[column].name,
                 first_row ? "; if this row holds names say header = true, if it is no data skip it"
                           : "");
}

static Status decide_kind(CsvReader *reader, int index) {
  const Survey *survey = &reader->surveys[index];
  Column *column = &reader->table->column[index];
  const int64_t *counts = survey->counts;
  int64_t numbers = counts[CELL_INTEGER] + counts[CELL_NUMBER];
  int64_t others = counts[CELL_BOOLEAN] + counts[CELL_TEXT];
  column->missing = counts[CELL_MISSING];
  column->missing_line = survey->missing_line;
  column->missing_at = survey->missing_at;
  const CsvType *type = find_type(reader, index);
  if (type && type->text) {
    column->kind = COLUMN_TEXT;
  } else if (counts[CELL_TEXT] > 0 && (type || numbers > others)) {
    return bad_cell(reader, index);
  } else if (counts[CELL_TEXT] > 0 || (counts[CELL_BOOLEAN] > 0 && numbers > 0)) {
    column->kind = COLUMN_TEXT;
  } else if (counts[CELL_BOOLEAN] > 0) {
    column->kind = COLUMN_BOOLEAN;
  } else {
    column->kind = counts[CELL_NUMBER] || !numbers ? COLUMN_NUMBER : COLUMN_INTEGER;
  }
  return NN_OK;
}

/* Names, from the first row or x1, x2, ...; the first row's cells count as data when it has none.
 */
static Status read_first_row(CsvReader *reader) {
  Scan scan = reader->start;
  Table *table = reader->table;
  Status status = NN_OK;
  scan_row(&scan);
  for (int i = 0; status == NN_OK && i < reader->columns; i++) {
    ScanCell cell;
    char number[16];
    status = scan_cell(&scan, &cell);
    if (status != NN_OK) break;
    if (!table->header) {
      Survey *survey = &reader->surveys[i];
      survey->missing_line = survey->first == CELL_MISSING ? 0 : survey->missing_line;
      survey->text_line = survey->first == CELL_TEXT ? 0 : survey->text_line;
      note(survey, survey->first, &cell);
    }
    bool named = table->header && cell.length > 0;
    if (!named) snprintf(number, sizeof number, "x%d", i + 1);
    table->column[i].name = named ? arena_strndup(&table->arena, cell.text, cell.length)
                                  : arena_strdup(&table->arena, number);
    if (!table->column[i].name) status = out_of_memory(reader);
  }
  scan_end(&scan);
  return status;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static Status check_names(const CsvReader *reader) {
  const char **names = malloc((size_t)reader->columns * sizeof *names);
  if (!names) return out_of_memory(reader);
  for (int i = 0; i < reader->columns; i++) names[i] = reader->table->column[i].name;
  qsort(names, (size_t)reader->columns, sizeof *names, compare_names);
  Status status = NN_OK;
  for (int i = 1; i < reader->columns && status == NN_OK; i++)
    if (strcmp(names[i - 1], names[i]) == 0)
      status = err_set(reader->err, NN_FORMAT, "%s:%" PRId64 ": two columns are named '%.60s'",
                       reader->name, reader->start.line, names[i]);
  free(names);
  return status;
}

static Status check_types(const CsvReader *reader) {
  for (int i = 0; i < reader->options->type_count; i++) {
    const CsvType *type = &reader->options->types[i];
    if (type->name && table_find(reader->table, type->name) < 0)
      return err_set(reader->err, NN_BAD_ARGUMENT, "%s: there is no column '%.60s' to give a type",
                     reader->name, type->name);
    if (!type->name && (type->position < 1 || type->position > reader->columns))
      return err_set(reader->err, NN_BAD_ARGUMENT,
                     "%s: there is no column %d to give a type; there are %d", reader->name,
                     type->position, reader->columns);
  }
  return NN_OK;
}

static Status plan_columns(CsvReader *reader) {
  Table *table = reader->table;
  table->columns = reader->columns;
  table->column = ARENA_ARRAY(&table->arena, Column, (size_t)reader->columns);
  if (!table->column) return out_of_memory(reader);
  TRY(read_first_row(reader));
  TRY(check_names(reader));
  TRY(check_types(reader));
  for (int i = 0; i < reader->columns; i++) {
    TRY(decide_kind(reader, i));
    table->column[i].values = ARENA_ARRAY(&table->arena, double, (size_t)table->rows);
    if (!table->column[i].values) return out_of_memory(reader);
  }
  return NN_OK;
}

static int64_t *find_slot(const TextSet *set, const char *text, size_t length) {
  size_t mask = (size_t)set->slot_count - 1;
  size_t at = (size_t)hash_mix(hash64(HASH64_START, text, length)) & mask;
  for (; set->slots[at]; at = (at + 1) & mask) {
    const char *found = set->texts[set->slots[at] - 1];
    if (strncmp(found, text, length) == 0 && found[length] == '\0') break;
  }
  return &set->slots[at];
}

static bool grow_set(TextSet *set) {
  TextSet grown = *set;
  grown.slot_count = set->slot_count ? set->slot_count * 2 : FIRST_SLOTS;
  grown.room = grown.slot_count / 2;
  const char **texts = reallocarray(set->texts, (size_t)grown.room, sizeof *texts);
  if (!texts) return false;
  grown.texts = set->texts = texts;
  grown.slots = calloc((size_t)grown.slot_count, sizeof *grown.slots);
  if (!grown.slots) return false;
  for (int64_t i = 0; i < grown.count; i++)
    *find_slot(&grown, grown.texts[i], strlen(grown.texts[i])) = i + 1;
  free(set->slots);
  *set = grown;
  return true;
}

/* The number of a text in its column, by first appearance; -1 when memory is out. */
static int64_t text_code(TextSet *set, Arena *arena, const ScanCell *cell) {
  if (set->count == set->room && !grow_set(set)) return -1;
  int64_t *slot = find_slot(set, cell->text, cell->length);
  if (*slot) return *slot - 1;
  char *copy = arena_strndup(arena, cell->text, cell->length);
  if (!copy) return -1;
  set->texts[set->count++] = copy;
  *slot = set->count;
  return set->count - 1;
}

static Status fill_cell(CsvReader *reader, int index, int64_t row, const ScanCell *cell) {
  Column *column = &reader->table->column[index];
  double *value = &column->values[row];
  if (is_missing(reader, cell)) {
    *value = NAN;
  } else if (column->kind == COLUMN_TEXT) {
    int64_t code = text_code(&reader->sets[index], &reader->table->arena, cell);
    if (code < 0) return out_of_memory(reader);
    *value = (double)code;
  } else {
    *value = cell_value(cell->text, cell->length, reader->locale);
    if (isinf(*value))
      return err_set(reader->err, NN_FORMAT,
                     "%s:%" PRId64 ":%" PRId64 ": '%.*s' is beyond the range of numbers",
                     reader->name, cell->line, cell->column, (int)cell->length, cell->text);
  }
  return NN_OK;
}

/* Second scan. */
static Status fill(CsvReader *reader) {
  Scan scan = reader->start;
  Status status = NN_OK;
  int64_t row = reader->table->header ? -1 : 0;
  for (; status == NN_OK && scan_row(&scan); row++)
    for (int i = 0; status == NN_OK && i < reader->columns; i++) {
      ScanCell cell;
      status = scan_cell(&scan, &cell);
      if (status == NN_OK && row >= 0) status = fill_cell(reader, i, row, &cell);
    }
  scan_end(&scan);
  return status;
}

/* Codes in the order of the texts' bytes, so that they do not depend on the order of rows. */
static Status sort_texts(CsvReader *reader, int index) {
  Table *table = reader->table;
  Column *column = &table->column[index];
  TextSet *set = &reader->sets[index];
  if (column->kind != COLUMN_TEXT) return NN_OK;
  column->text_count = set->count;
  column->texts = ARENA_ARRAY(&table->arena, const char *, (size_t)set->count + 1);
  double *places = malloc(((size_t)set->count + 1) * sizeof *places);
  if (!column->texts || !places) {
    free(places);
    return out_of_memory(reader);
  }
  if (set->count > 0) {
    memcpy(column->texts, set->texts, (size_t)set->count * sizeof *set->texts);
    qsort(column->texts, (size_t)set->count, sizeof *column->texts, compare_names);
  }
  for (int64_t i = 0; i < column->text_count; i++)
    places[*find_slot(set, column->texts[i], strlen(column->texts[i])) - 1] = (double)i;
  for (int64_t row = 0; row < table->rows; row++)
    if (!isnan(column->values[row])) column->values[row] = places[(int64_t)column->values[row]];
  free(places);
  return NN_OK;
}

static Status read_table(CsvReader *reader) {
  TRY(survey(reader));
  TRY(decide_header(reader));
  TRY(plan_columns(reader));
  reader->sets = calloc((size_t)reader->columns, sizeof *reader->sets);
  if (!reader->sets) return out_of_memory(reader);
  TRY(fill(reader));
  for (int i = 0; i < reader->columns; i++) TRY(sort_texts(reader, i));
  return NN_OK;
}

Status csv_parse(Table *out, const void *bytes, size_t size, const CsvOptions *options,
                 const char *name, Err *err) {
  static const CsvOptions defaults = {0};
  *out = (Table){0};
  CsvReader reader = {
      .table = out, .options = options ? options : &defaults, .name = name, .err = err};
  TRY(scan_begin(&reader.start, bytes, size, reader.options->skip, name, err));
  reader.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!reader.locale) return out_of_memory(&reader);
  reader.missing = reader.options->missing ? reader.options->missing : csv_missing_default;
  for (const char *const *words = reader.missing; *words; words++)
    reader.missing_first[(unsigned char)**words] = true;
  if (reader.options->separator)
    reader.start.separator = reader.options->separator;
  else
    scan_find_separator(&reader.start);
  Status status = read_table(&reader);
  for (int i = 0; reader.sets && i < reader.columns; i++) {
    free(reader.sets[i].texts);
    free(reader.sets[i].slots);
  }
  free(reader.sets);
  free(reader.surveys);
  freelocale(reader.locale);
  if (status != NN_OK) table_free(out);
  return status;
}

Status csv_read(Table *out, const char *path, const CsvOptions *options, Err *err) {
  *out = (Table){0};
  FileBytes file;
  TRY(file_read(&file, path, FILE_LIMIT, err));
  Status status = csv_parse(out, file.data, file.size, options, path, err);
  file_free(&file);
  return status;
}
