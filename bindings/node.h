/* Graphs and their nodes on the Lua side, shared by the bindings of core/graph, op and train. */
#ifndef NNRUN_BINDING_NODE_H
#define NNRUN_BINDING_NODE_H

#include "binding.h"
#include "graph/graph.h"

/* Userdata "nnrun.graph"; user value 1 is the name of the current layer, 2 the line that made it.
 */
typedef struct GraphBox {
  Graph *graph;
} GraphBox;

/* Userdata "nnrun.node": a value of a graph, whose userdata `box` is user value 1. */
typedef struct NodeBox {
  const GraphBox *box; /* its graph is NULL after it was closed */
  Ref ref;
} NodeBox;

Graph *binding_check_graph(lua_State *L, int index);
/* NULL when the value is not a node. */
NodeBox *binding_test_node(lua_State *L, int index);
/* Also refuses a node whose graph was closed. */
NodeBox *binding_check_node(lua_State *L, int index);
/* The ref of the node at `index`, which must be of `graph`; `what` names it in the message. */
Ref binding_check_ref(lua_State *L, int index, const Graph *graph, const char *what);
/* Push a node of the graph whose userdata is at `graph_index`. */
void binding_push_node(lua_State *L, int graph_index, Ref ref);
/* Push the graph userdata of the node at `index`. */
void binding_push_graph_of(lua_State *L, int index);
/* The refs of a list of nodes at `index`, all of `graph`; the array is a new userdata on the stack.
 */
Ref *binding_check_nodes(lua_State *L, int index, const Graph *graph, int *count);
/* Tell the graph where in the script we are, for its messages; `place` NULL: find out. */
void binding_set_place(lua_State *L, Graph *graph, const char *layer, const char *place);

int luaopen_core_tensor(lua_State *L);
int luaopen_core_graph(lua_State *L);
int luaopen_core_op(lua_State *L);

#endif
