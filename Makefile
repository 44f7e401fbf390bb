# nnrun: build, test, install. `make help` lists the targets.
SHELL := /bin/bash
CC ?= gcc
BUILD ?= build
OPT ?= -O3
WERROR ?=
CFLAGS ?= -g
PKG_CONFIG ?= pkg-config

LUA_CFLAGS := $(shell $(PKG_CONFIG) --cflags lua5.4 2>/dev/null)
LUA_LIBS := $(shell $(PKG_CONFIG) --libs lua5.4 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
FLAGS := -std=gnu11 $(OPT) -fno-math-errno -fno-trapping-math -fopenmp-simd -fPIC -D_GNU_SOURCE \
         $(WARN) -Icore -Ibindings $(LUA_CFLAGS) $(CFLAGS) $(SAN)
LIBS := $(LUA_LIBS) -lsqlite3 -luv -lz -lzip -ljansson -lmvec -lm -ldl -lpthread $(SAN)

ISAS := base
ifeq ($(shell uname -m),x86_64)
ISAS += avx2
endif
ISA_FLAGS_base :=
ISA_FLAGS_avx2 := -mavx2 -mfma -mtune=znver3

CORE_SRC := $(filter-out %/kernel/%,$(wildcard core/*/*.c))
KERNEL_SRC := $(wildcard core/*/kernel/*.c)
BIND_SRC := $(wildcard bindings/*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/%.o) \
  $(foreach i,$(ISAS),$(KERNEL_SRC:%.c=$(BUILD)/%.f32.$(i).o) $(KERNEL_SRC:%.c=$(BUILD)/%.f64.$(i).o))
BIND_OBJ := $(BIND_SRC:%.c=$(BUILD)/%.o)
LIBRARY := $(BUILD)/libnnrun.a
PROGRAM := $(if $(filter build,$(BUILD)),nnrun,$(BUILD)/nnrun)

C_TESTS := $(patsubst tests/c/%.c,$(BUILD)/tests/%,$(wildcard tests/c/test_*.c))

all: $(PROGRAM)

$(PROGRAM): $(BIND_OBJ) $(LIBRARY)
	$(CC) -o $@ $(BIND_OBJ) $(LIBRARY) $(LDFLAGS) -Wl,-E $(LIBS) $(READLINE_LIBS)

$(LIBRARY): $(CORE_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -c $< -o $@

# The scripts are bytes of this object.
$(BUILD)/bindings/embedded.o: $(shell find scripts -name '*.lua') bindings/modules.def

# Kernels: once per element type and instruction set.
define KERNEL_RULE
$(BUILD)/%.$(1).$(2).o: %.c
	@mkdir -p $$(@D)
	$(CC) $(FLAGS) -DREAL_$(3) -DISA=$(2) $$(ISA_FLAGS_$(2)) -MMD -MP -c $$< -o $$@
endef
$(foreach i,$(ISAS),$(eval $(call KERNEL_RULE,f32,$(i),F32))$(eval $(call KERNEL_RULE,f64,$(i),F64)))

$(BUILD)/tests/%: tests/c/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -MMD -MP -Itests/c $< -o $@ $(LIBRARY) $(LDFLAGS) -lcmocka $(LIBS)

clean:
	rm -rf $(BUILD) nnrun

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all clean
