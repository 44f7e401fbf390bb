/* CSV: the many ways tables are written, what becomes of each cell, and exact places of errors. */
#include "test.h"

#include "data/csv.h"
#include "data_files.h"

#include <math.h>

static Status parse(Table *out, const char *text, const CsvOptions *options, Err *err) {
  return csv_parse(out, text, strlen(text), options, "f.csv", err);
}

static Table read_text(const char *text, const CsvOptions *options) {
  Table table;
  Err err = {0};
  if (parse(&table, text, options, &err) != NN_OK) fail_msg("%s", err.message);
  return table;
}

static void assert_refused(const char *text, const CsvOptions *options, const char *words) {
  Table table;
  Err err;
  assert_int_not_equal(parse(&table, text, options, &err), NN_OK);
  assert_mentions(&err, words);
  assert_null(table.column);
}

static void assert_cells(const Table *table, int column, int64_t count, const double *expected) {
  assert_int_equal(table->rows, count);
  for (int64_t i = 0; i < count; i++) {
    double value = table->column[column].values[i];
    if (!(value == expected[i] || (isnan(value) && isnan(expected[i]))))
      fail_msg("row %d of column %d is %g, not %g", (int)i + 1, column + 1, value, expected[i]);
  }
}

#define CELLS(table, column, ...)                                                                  \
  assert_cells(table, column, sizeof((double[]){__VA_ARGS__}) / sizeof(double),                    \
               (double[]){__VA_ARGS__})

static void numbers_are_read_to_the_last_bit(void **state) {
  (void)state;
  Table f =
      read_text("1,-2.5,+3.,.5,1e3,1.7976931348623157e308,0.1\n"
                "9007199254740993,5e-324,123456789012345678,2.2250738585072014E-308,0e0,-0,1e-7",
                NULL);
  assert_false(f.header);
  CELLS(&f, 0, 1, 9007199254740992.0);
  CELLS(&f, 1, -2.5, 5e-324);
  CELLS(&f, 2, 3, 123456789012345678.0);
  CELLS(&f, 3, .5, 2.2250738585072014e-308);
  CELLS(&f, 4, 1000, 0);
  CELLS(&f, 5, 1.7976931348623157e308, 0);
  CELLS(&f, 6, 0.1, 1e-7);
  assert_int_equal(f.column[0].kind, COLUMN_INTEGER);
  assert_int_equal(f.column[1].kind, COLUMN_NUMBER);
  assert_string_equal(f.column[6].name, "x7");
  table_free(&f);
}

static void line_ends_blank_lines_and_a_missing_last_end_do_not_matter(void **state) {
  (void)state;
  static const char *const texts[] = {"a,b\n1,2\n3,4\n",
                                      "a,b\n1,2\n3,4",
                                      "a,b\r\n1,2\r\n3,4\r\n",
                                      "a,b\r1,2\r3,4",
                                      "a,b\n1,2\n3,4\n\n",
                                      "\n\na,b\n\n1,2\n  \n3,4\n \n\n",
                                      "\xef\xbb\xbf"
                                      "a,b\n1,2\n3,4",
                                      "a, b\n1 , 2\n 3,\t4  \n",
                                      "\"a\",\"b\"\n\"1\", \"2\" \n3,4"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    Table f = read_text(texts[i], NULL);
    assert_true(f.header);
    assert_int_equal(f.columns, 2);
    assert_string_equal(f.column[0].name, "a");
    assert_string_equal(f.column[1].name, "b");
    CELLS(&f, 0, 1, 3);
    CELLS(&f, 1, 2, 4);
    table_free(&f);
  }
}

static void quoted_cells_hold_separators_line_ends_and_quotes(void **state) {
  (void)state;
  Table f = read_text(
      "n,t\n1,\"a,b\"\n2,\"say \"\"hi\"\"\"\n3,\"two\nlines\"\n4,\" kept \"\n5,it\"s\n", NULL);
  assert_int_equal(f.rows, 5);
  assert_int_equal(f.column[1].text_count, 5);
  static const char *const sorted[] = {" kept ", "a,b", "it\"s", "say \"hi\"", "two\nlines"};
  for (int i = 0; i < 5; i++) assert_string_equal(f.column[1].texts[i], sorted[i]);
  CELLS(&f, 1, 1, 3, 4, 0, 2);
  table_free(&f);
}

static void texts_are_sorted_and_so_do_not_depend_on_row_order(void **state) {
  (void)state;
  Table f = read_text("1,pear\n2,apple\n3,fig\n4,apple\n", NULL);
  assert_int_equal(f.column[1].text_count, 3);
  assert_string_equal(f.column[1].texts[0], "apple");
  CELLS(&f, 1, 2, 0, 1, 0);
  table_free(&f);
}

static void many_texts_are_told_apart(void **state) {
  (void)state;
  enum { COUNT = 5000, ROOM = COUNT * 16 };
  char *text = malloc(ROOM);
  size_t used = 0;
  for (int i = 0; i < COUNT; i++)
    used += (size_t)snprintf(text + used, ROOM - used, "%d,t%05d\n", i, (i * 7919) % COUNT);
  Table f = read_text(text, NULL);
  assert_int_equal(f.column[1].text_count, COUNT);
  for (int i = 0; i < COUNT; i++) assert_true(f.column[1].values[i] == (i * 7919) % COUNT);
  table_free(&f);
  free(text);
}

static void missing_cells_are_counted_and_the_first_is_placed(void **state) {
  (void)state;
  Table f = read_text("a,b,c\n1,,x\n?,2,NA\n3,nan,\n", NULL);
  CELLS(&f, 0, 1, NAN, 3);
  CELLS(&f, 1, NAN, 2, NAN);
  CELLS(&f, 2, 0, NAN, NAN);
  assert_int_equal(f.column[1].missing, 2);
  assert_int_equal(f.column[1].missing_line, 2);
  assert_int_equal(f.column[1].missing_at, 3);
  assert_int_equal(f.column[2].missing_line, 3);
  assert_int_equal(f.column[2].missing_at, 5);
  assert_int_equal(f.column[0].kind, COLUMN_INTEGER);
  int columns[] = {0};
  table_drop_missing(&f, columns, 1);
  CELLS(&f, 0, 1, 3);
  CELLS(&f, 1, NAN, NAN);
  assert_int_equal(f.column[1].missing, 2);
  assert_int_equal(f.column[2].missing, 1);
  table_free(&f);
}

static void markers_of_missing_cells_can_be_chosen(void **state) {
  (void)state;
  CsvOptions options = {.missing = (const char *const[]){"-9", NULL}};
  Table f = read_text("a,b\n1,NA\n-9,x\n", &options);
  CELLS(&f, 0, 1, NAN);
  assert_int_equal(f.column[1].text_count, 2);
  table_free(&f);
}

static void booleans_are_zero_and_one(void **state) {
  (void)state;
  Table f = read_text("1,True,TRUE,true\n2,False,FALSE,x\n", NULL);
  CELLS(&f, 1, 1, 0);
  assert_int_equal(f.column[2].kind, COLUMN_BOOLEAN);
  assert_int_equal(f.column[3].kind, COLUMN_TEXT);
  table_free(&f);
}

static void separators_are_found_out(void **state) {
  (void)state;
  static const char *const texts[] = {"a;b\n1;2,5\n", "a\tb\n1\t2\n", "a|b\n1|2\n",
                                      "\"x,y;z\",b\n1,2\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    Table f = read_text(texts[i], NULL);
    assert_int_equal(f.columns, 2);
    table_free(&f);
  }
  CsvOptions blanks = {.separator = ' '};
  Table f = read_text("  18.0   8 \"buick  sky\"\n  15 8   \"ford\"  \n", &blanks);
  assert_int_equal(f.columns, 3);
  CELLS(&f, 0, 18, 15);
  CELLS(&f, 2, 0, 1);
  table_free(&f);
  f = read_text("7\n8\n", NULL);
  assert_int_equal(f.columns, 1);
  CELLS(&f, 0, 7, 8);
  table_free(&f);
}

static void a_header_is_found_out_or_said(void **state) {
  (void)state;
  Table f = read_text("1,2\n3,4\n", NULL);
  CELLS(&f, 0, 1, 3);
  table_free(&f);
  CsvOptions yes = {.header = CSV_HEADER_YES}, no = {.header = CSV_HEADER_NO};
  f = read_text("1,2\n3,4\n", &yes);
  assert_string_equal(f.column[1].name, "2");
  CELLS(&f, 0, 3);
  table_free(&f);
  f = read_text("a,b\nc,d\n", &no);
  assert_int_equal(f.rows, 2);
  table_free(&f);
  assert_refused("a,b\nc,d\n", NULL, "header = true or header = false");
  assert_refused("a,b\n", NULL, "no row below the names");
  assert_refused("a,a\n1,2\n", NULL, "two columns are named 'a'");
}

static void bad_cells_name_line_and_column(void **state) {
  (void)state;
  assert_refused("a,b\n1,2\n3,4\n5, 6x\n7,8\n", NULL, "f.csv:4:4: '6x' is not a number");
  assert_refused("a,b\n1,2\n3,4\n5,0x1F\n", NULL, "f.csv:4:3");
  assert_refused("a,b\n1,2\n3,4\n5,inf\n", NULL, "f.csv:4:3");
  assert_refused("1,2\n3,4\n5,1e400\n", NULL, "f.csv:3:3: '1e400' is beyond");
  assert_refused("150,4,setosa\n5.1,3.5,0\n4.9,3.0,0\n4.9,3.0,1\n", NULL, "f.csv:1:7: 'setosa'");
  assert_refused("150,4,setosa\n5.1,3.5,0\n4.9,3.0,0\n4.9,3.0,1\n", NULL, "header = true");
  CsvOptions skip = {.skip = 1};
  Table f = read_text("150,4,setosa\n5.1,3.5,0\n4.9,3.0,0\n4.9,3.0,1\n", &skip);
  CELLS(&f, 2, 0, 0, 1);
  table_free(&f);
}

static void uneven_rows_and_quotes_name_line_and_column(void **state) {
  (void)state;
  assert_refused("a,b\n1,2\n3\n", NULL, "f.csv:3:1: this row has fewer than the 2 cells");
  assert_refused("a,b\n1,2\n3,4,5\n", NULL, "f.csv:3:3: this row has more than the 2 cells");
  assert_refused("a,b\n1,\"2\n3,4\n", NULL, "f.csv:2:3: the quote that begins here");
  assert_refused("a,b\n1,\"2\"x\n", NULL, "f.csv:2:6: expected a separator");
  assert_refused("a,b\n\"1\n\n\",2\n3\n", NULL, "f.csv:5:1");
}

static void files_that_are_no_tables_are_refused(void **state) {
  (void)state;
  Table f;
  Err err;
  assert_refused("", NULL, "no row");
  assert_refused("\n \n", NULL, "no row");
  assert_int_equal(csv_parse(&f, "a\0b", 3, NULL, "f.csv", &err), NN_FORMAT);
  assert_mentions(&err, "NUL");
  assert_int_equal(csv_parse(&f,
                             "\xff\xfe"
                             "a\0",
                             4, NULL, "f.csv", &err),
                   NN_FORMAT);
  assert_mentions(&err, "UTF-16");
  assert_int_equal(csv_read(&f, "/nowhere.csv", NULL, &err), NN_NOT_FOUND);
}

static void column_types_can_be_said(void **state) {
  (void)state;
  CsvType types[] = {{.name = "zip", .text = true}, {.position = 1, .text = false}};
  CsvOptions options = {.types = types, .type_count = 2};
  Table f = read_text("a,zip\n1,02139\n2,10001\n", &options);
  assert_int_equal(f.column[1].kind, COLUMN_TEXT);
  assert_string_equal(f.column[1].texts[0], "02139");
  table_free(&f);
  assert_refused("a,zip\nx,1\ny,2\n", &options, "f.csv:2:1: 'x' is not a number");
  types[0].name = "zap";
  assert_refused("a,zip\n1,1\n", &options, "no column 'zap'");
}

static void a_matrix_takes_numbers_and_indicators(void **state) {
  (void)state;
  Table f = read_text("a,b\n1,x\n,y\n3,\n", NULL);
  TableField fields[] = {{0, -1, 9}, {1, 0, 0}, {1, 1, 0}};
  Tensor x;
  assert_int_equal(table_matrix(&x, &f, fields, 3, DTYPE_F32, NULL), NN_OK);
  const double expected[] = {1, 1, 0, 9, 0, 1, 3, 0, 0};
  for (int i = 0; i < 9; i++) assert_true(tensor_get(&x, i) == expected[i]);
  tensor_release(&x);
  table_free(&f);
}

static void labels_number_the_classes_from_zero(void **state) {
  (void)state;
  Table f = read_text("1,x,True,5\n2,y,False,-1\n3,x,True,5\n4,,False,7\n", NULL);
  Tensor y;
  double *classes;
  int64_t count;
  Err err;
  assert_int_equal(table_labels(&y, &classes, &count, &f, 3, NULL), NN_OK);
  assert_int_equal(count, 3);
  assert_true(classes[0] == -1 && classes[2] == 7);
  const int64_t expected[] = {1, 0, 1, 2};
  assert_memory_equal(y.data, expected, sizeof expected);
  tensor_release(&y);
  free(classes);
  assert_int_equal(table_labels(&y, &classes, &count, &f, 2, NULL), NN_OK);
  assert_int_equal(count, 2);
  assert_null(classes);
  tensor_release(&y);
  assert_int_equal(table_labels(&y, &classes, &count, &f, 1, &err), NN_FORMAT);
  assert_mentions(&err, "row 4");
  table_free(&f);
}

static void summaries_leave_missing_cells_out(void **state) {
  (void)state;
  Table f = read_text("a,b\n4,1\n,1\n1,1\n4,1\n3,1\n", NULL);
  ColumnSummary s;
  assert_int_equal(table_summary(&s, &f, 0, NULL), NN_OK);
  assert_int_equal(s.present, 4);
  assert_int_equal(s.distinct, 3);
  assert_true(s.mean == 3 && s.median == 3.5 && s.mode == 4 && s.min == 1 && s.max == 4);
  assert_true(fabs(s.std - sqrt(1.5)) < 1e-15);
  table_free(&f);
}

static void real_tables_are_read(void **state) {
  (void)state;
  char path[TEST_PATH_SIZE];
  if (!test_shared(path, "tabular/adult-train.csv.gz")) skip();
  Table f;
  assert_int_equal(csv_read(&f, path, NULL, NULL), NN_OK);
  assert_int_equal(f.rows, 32561);
  assert_int_equal(f.columns, 15);
  assert_int_equal(f.column[1].missing, 1836);
  assert_string_equal(f.column[14].texts[0], "<=50K");
  assert_int_equal(f.column[14].text_count, 2);
  table_free(&f);
  assert_int_equal(csv_read(&f, test_shared(path, "tabular/titanic.csv"), NULL, NULL), NN_OK);
  assert_int_equal(f.rows, 891);
  assert_int_equal(f.column[table_find(&f, "age")].missing, 177);
  assert_int_equal(f.column[table_find(&f, "deck")].missing, 688);
  assert_int_equal(f.column[table_find(&f, "alone")].kind, COLUMN_BOOLEAN);
  table_free(&f);
  Err err;
  test_shared(path, "tabular/iris-sklearn.csv");
  assert_int_equal(csv_read(&f, path, NULL, &err), NN_FORMAT);
  assert_mentions(&err, ":1:7: 'setosa' is not a number");
  CsvOptions skip = {.skip = 1};
  assert_int_equal(csv_read(&f, path, &skip, NULL), NN_OK);
  assert_int_equal(f.rows, 150);
  table_free(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_read_to_the_last_bit),
      cmocka_unit_test(line_ends_blank_lines_and_a_missing_last_end_do_not_matter),
      cmocka_unit_test(quoted_cells_hold_separators_line_ends_and_quotes),
      cmocka_unit_test(texts_are_sorted_and_so_do_not_depend_on_row_order),
      cmocka_unit_test(many_texts_are_told_apart),
      cmocka_unit_test(missing_cells_are_counted_and_the_first_is_placed),
      cmocka_unit_test(markers_of_missing_cells_can_be_chosen),
      cmocka_unit_test(booleans_are_zero_and_one),
      cmocka_unit_test(separators_are_found_out),
      cmocka_unit_test(a_header_is_found_out_or_said),
      cmocka_unit_test(bad_cells_name_line_and_column),
      cmocka_unit_test(uneven_rows_and_quotes_name_line_and_column),
      cmocka_unit_test(files_that_are_no_tables_are_refused),
      cmocka_unit_test(column_types_can_be_said),
      cmocka_unit_test(a_matrix_takes_numbers_and_indicators),
      cmocka_unit_test(labels_number_the_classes_from_zero),
      cmocka_unit_test(summaries_leave_missing_cells_out),
      cmocka_unit_test(real_tables_are_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
