# nnrun: build, test, install. `make help` lists the targets.
#
# Sources are found by wildcard: a new core/ROOM/*.c, core/ROOM/kernel/*.c, bindings/*.c,
# scripts/**.lua, tests/c/test_*.c or tests/fuzz/fuzz_*.c needs no change here.
SHELL := /bin/bash
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
OPT ?= -O3
CFLAGS ?= -g
SAN ?=
WERROR ?=
PREFIX ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

# `make V=1` shows the commands.
ifeq ($(V),)
Q := @
say = @echo '  $(1)  $@'
endif

# Where no -j is given, steps that build use all processors.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
SUBMAKE = +@$(MAKE) --no-print-directory

# --- libraries ------------------------------------------------------------------------------------
# OpenBLAS, HDF5 and readline are not needed to build: each is loaded when a script or the prompt first
# wants it.
CORE_PACKAGES := sqlite3 libuv zlib
have_package = $(shell $(PKG_CONFIG) --exists $(1) 2>/dev/null && echo yes)

LUA_CFLAGS := $(shell $(PKG_CONFIG) --cflags lua5.4 2>/dev/null)
LUA_LIBS := $(shell $(PKG_CONFIG) --libs lua5.4 2>/dev/null)
CORE_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(CORE_PACKAGES) 2>/dev/null)
CORE_LIBS := $(shell $(PKG_CONFIG) --libs $(CORE_PACKAGES) 2>/dev/null)
MISSING := $(strip $(foreach p,lua5.4 $(CORE_PACKAGES),$(if $(call have_package,$(p)),,$(p))))

MACHINE := $(shell uname -m)
# glibc's vectorised exp, tanh, log.
VECTOR_LIBS := $(if $(filter x86_64,$(MACHINE)),-lmvec)

WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wno-psabi $(if $(findstring clang,$(CC)),,-Wno-format-truncation) # messages are cut to fit
INCLUDES := -Icore -Ibindings $(LUA_CFLAGS) $(CORE_CFLAGS)
FLAGS := -std=gnu11 $(OPT) -fno-math-errno -fno-trapping-math -fopenmp-simd -fPIC -D_GNU_SOURCE \
         $(WARN) $(WERROR) $(INCLUDES) $(CFLAGS) $(SAN)
LIBS := $(CORE_LIBS) $(VECTOR_LIBS) -lm -ldl -lpthread $(SAN)

# --- what is built --------------------------------------------------------------------------------
# Kernels are compiled once per element type and instruction set (core/base/kernel.h).
# They are written in gcc's vector extensions; the fuzzers' build, by clang, leaves them to gcc too.
KERNEL_CC ?= $(CC)
KERNEL_SAN ?= $(SAN)
ISAS := base $(if $(filter x86_64,$(MACHINE)),avx2)
ISA_FLAGS_base :=
ISA_FLAGS_avx2 := -mavx2 -mfma -mtune=znver3

CORE_SRC := $(wildcard core/*/*.c)
KERNEL_SRC := $(wildcard core/*/kernel/*.c)
BIND_SRC := $(wildcard bindings/*.c)
KERNEL_OBJ := $(foreach i,$(ISAS),$(foreach t,f32 f64,$(KERNEL_SRC:%.c=$(BUILD)/%.$(t).$(i).o)))
CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/%.o) $(KERNEL_OBJ)
BIND_OBJ := $(BIND_SRC:%.c=$(BUILD)/%.o)
LIBRARY := $(BUILD)/libnnrun.a
PROGRAM := $(if $(filter build,$(BUILD)),nnrun,$(BUILD)/nnrun)

C_TESTS := $(patsubst tests/c/%.c,$(BUILD)/tests/%,$(wildcard tests/c/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES := $(filter-out tests/bench/bench.lua,$(sort $(wildcard tests/bench/*.lua))) # bench.lua is shared
VERSION = $(shell sed -n 's/^.define NNRUN_VERSION "\(.*\)"/\1/p' core/nnrun.h)

all: $(PROGRAM) ## build ./nnrun (the default)

$(PROGRAM): $(BIND_OBJ) $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) -o $@ $(BIND_OBJ) $(LIBRARY) $(LDFLAGS) -Wl,-E $(LUA_LIBS) $(LIBS)

$(LIBRARY): $(CORE_OBJ) $(BUILD)/sources
	@rm -f $@
	$(call say,AR  )
	$(Q)$(AR) rcs $@ $(CORE_OBJ)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) $(FLAGS) -MMD -MP -c $< -o $@

define KERNEL_RULE
$(BUILD)/%.$(1).$(2).o: %.c $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(call say,CC  )
	$(Q)$(KERNEL_CC) $(filter-out $(SAN),$(FLAGS)) $(KERNEL_SAN) -DREAL_$(3) -DISA=$(2) $$(ISA_FLAGS_$(2)) -MMD -MP -c $$< -o $$@
endef
$(foreach i,$(ISAS),$(eval $(call KERNEL_RULE,f32,$(i),F32))$(eval $(call KERNEL_RULE,f64,$(i),F64)))

# The scripts are bytes of this object, and so is what Lua's compiler makes of them.
SCRIPTS := $(shell find scripts -name '*.lua')
$(BUILD)/bindings/embedded.o: private FLAGS += -Wa,-I,$(BUILD)
$(BUILD)/bindings/embedded.o: $(SCRIPTS) $(SCRIPTS:%.lua=$(BUILD)/%.luac) bindings/modules.def

$(BUILD)/%.luac: %.lua $(BUILD)/bindings/tools/compile
	@mkdir -p $(@D)
	$(Q)$(BUILD)/bindings/tools/compile $< $@

$(BUILD)/bindings/tools/compile: $(BUILD)/bindings/tools/compile.o
	$(call say,LINK)
	$(Q)$(CC) -o $@ $< $(LDFLAGS) $(LUA_LIBS) $(SAN)

# In tests that include fail_alloc.h the library's allocations can be made to fail.
FAIL_ALLOC := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=strdup
$(BUILD)/tests/%: tests/c/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) $(FLAGS) -MMD -MP -Itests/c $< -o $@ $(LIBRARY) $(LDFLAGS) -lcmocka $(LIBS) \
	  $(if $(shell grep -l fail_alloc.h $<),$(FAIL_ALLOC))

$(BUILD)/fuzz/%: tests/fuzz/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) $(FLAGS) -MMD -MP $< -o $@ $(LIBRARY) $(LDFLAGS) -fsanitize=fuzzer $(LIBS)

$(BUILD)/bench/%: tests/bench/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) $(FLAGS) -MMD -MP $< -o $@ $(LIBRARY) $(LDFLAGS) $(LIBS)

# Objects are made anew when the flags change, the library when a source comes or goes.
$(BUILD)/flags: FORCE | libraries
	@mkdir -p $(@D)
	@echo '$(CC) $(FLAGS)' | cmp -s - $@ || echo '$(CC) $(FLAGS)' > $@

$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(CORE_OBJ)' | cmp -s - $@ || echo '$(CORE_OBJ)' > $@

libraries:
	@command -v $(CC) >/dev/null || { echo "nnrun: no C compiler '$(CC)';" \
	  "on Debian: apt-get update && apt-get install $$(bash .ci/packages --print build | tr '\n' ' ')" >&2; exit 1; }
	@$(if $(MISSING),echo "nnrun: not found by $(PKG_CONFIG): $(MISSING);" \
	  "on Debian: apt-get update && apt-get install $$(bash .ci/packages --print build | tr '\n' ' ')" >&2; exit 1)

# --- what people run ------------------------------------------------------------------------------
# Packages come first and then make starts again: what it found out above was without them.
demo: ## install what is missing, build, run experiments/sweep.lua
	@bash .ci/packages build run
	$(SUBMAKE) $(PARALLEL) all
	./nnrun experiments/sweep.lua

check: ## install what is missing, build, run all tests
	@bash .ci/packages build run test
	$(SUBMAKE) $(PARALLEL) all tests
	@bash tests/tools/check.sh '$(PROGRAM)' '$(BUILD)' c lua tools

san: ## the tests, the longest shortened, in a build with address and undefined-behaviour sanitizers
	@bash .ci/packages build run test
	$(SUBMAKE) san-run BUILD=build/san OPT=-O1 \
	  SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'

san-run:
	$(SUBMAKE) $(PARALLEL) all tests
	@NNRUN_REDUCED=1 bash tests/tools/check.sh '$(PROGRAM)' '$(BUILD)' c lua

tests: $(C_TESTS)

lint: ## clang-tidy, clang-format and luacheck, all without a finding
	@bash .ci/packages build lint
	$(SUBMAKE) lint-run

lint-run: libraries
	@FLAGS='$(INCLUDES)' JOBS=$(JOBS) bash tests/tools/lint.sh

format: ## lay out all C files by .clang-format
	@bash .ci/packages lint
	@find core bindings tests -name '*.[ch]' | xargs clang-format -i

bench: ## time every tests/bench/*.lua, one JSON line each
	@bash .ci/packages build run
	$(SUBMAKE) $(PARALLEL) all
	@for bench in $(BENCHES); do \
	  ./nnrun $$bench --threads 1 || exit 1; \
	  case $$bench in */mlp_wide.lua) ./nnrun $$bench --threads 2 || exit 1 ;; esac; \
	done

fuzz: ## run each tests/fuzz/fuzz_*.c for FUZZ_SECONDS (60)
	@bash .ci/packages build fuzz
	$(SUBMAKE) fuzz-run BUILD=build/clang CC=clang OPT=-O1 KERNEL_CC=gcc KERNEL_SAN= \
	  SAN='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined'

fuzz-run:
	$(SUBMAKE) $(PARALLEL) $(FUZZERS)
	@for fuzzer in $(FUZZERS); do \
	  name=$${fuzzer##*/}; corpus=$(BUILD)/corpus/$$name; seeds=tests/fuzz/seeds/$${name#fuzz_}; \
	  mkdir -p $$corpus; [[ -d $$seeds ]] || seeds=; \
	  echo "== $$name, $(FUZZ_SECONDS) s"; \
	  $$fuzzer -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix=$(BUILD)/ $$corpus $$seeds >$(BUILD)/$$name.log 2>&1 || \
	    { tail -n 40 $(BUILD)/$$name.log; exit 1; }; \
	  grep number_of_executed_units $(BUILD)/$$name.log; \
	done

docs: all ## write docs/reference.md and docs/annotations from the tables and help texts
	$(abspath $(PROGRAM)) tests/tools/reference.lua
	$(abspath $(PROGRAM)) tests/tools/annotations.lua

install: all ## copy program, library, headers, pkg-config file and man page below PREFIX
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' CC='$(CC)' FLAGS='$(INCLUDES)' PROGRAM='$(PROGRAM)' \
	  LIBRARY='$(LIBRARY)' LIBS='$(LIBS)' VERSION='$(VERSION)' bash tests/tools/install.sh install

uninstall: ## remove them again
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' bash tests/tools/install.sh uninstall

clean: ## remove everything that was built
	rm -rf $(BUILD) $(PROGRAM)

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

# Everything above that is no file. FORCE makes a file's recipe run each time.
FORCE:
.PHONY: all bench check clean demo docs format fuzz fuzz-run help install libraries lint lint-run \
  san san-run tests uninstall FORCE
.DELETE_ON_ERROR:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
