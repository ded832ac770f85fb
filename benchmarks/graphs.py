"""The measured graphs as Moose workflows."""

from benchmarks import work
from benchmarks.work import WIDTH, FinishedOrder, Inventory, Number, Order, Parts, Payment, ReadyOrder, Shipping, Total
from moose_lib import Task, TaskConfig, Workflow, WorkflowConfig

third = Task[Number, Number](name="third", config=TaskConfig(run=work.add_one))
second = Task[Number, Number](name="second", config=TaskConfig(run=work.add_one, on_complete=[third]))
first = Task[Number, Number](name="first", config=TaskConfig(run=work.add_one, on_complete=[second]))
Workflow(name="chain", config=WorkflowConfig(starting_task=first))

finalize = Task[ReadyOrder, FinishedOrder](name="finalizeOrder", config=TaskConfig(run=work.finalize_order))
payment = Task[Order, Payment](
    name="processPayment", config=TaskConfig(run=work.process_payment, on_complete=[finalize])
)
shipping = Task[Order, Shipping](
    name="arrangeShipping", config=TaskConfig(run=work.arrange_shipping, on_complete=[finalize])
)
inventory = Task[Order, Inventory](
    name="checkInventory", config=TaskConfig(run=work.check_inventory, on_complete=[payment, shipping])
)
validate = Task[Order, Order](name="validateOrder", config=TaskConfig(run=work.validate_order, on_complete=[inventory]))
Workflow(name="order", config=WorkflowConfig(starting_task=validate))

join = Task[Parts, Total](name="join", config=TaskConfig(run=work.add_up))
branches = [
    Task[Number, Number](name=f"branch{index}", config=TaskConfig(run=work.add_one, on_complete=[join]))
    for index in range(WIDTH)
]
fork = Task[Number, Number](name="fork", config=TaskConfig(run=work.add_one, on_complete=[*branches]))
Workflow(name="wide", config=WorkflowConfig(starting_task=fork))
