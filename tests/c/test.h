/* What every C test includes: cmocka and the headers it wants before it. */
#ifndef NNRUN_TEST_H
#define NNRUN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
