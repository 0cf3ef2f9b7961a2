"""What the project may cost, and who is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import ITerraformDependable
from cdktf_cdktf_provider_google.billing_budget import (
    BillingBudget,
    BillingBudgetAllUpdatesRule,
    BillingBudgetAmount,
    BillingBudgetAmountSpecifiedAmount,
    BillingBudgetBudgetFilter,
    BillingBudgetThresholdRules,
)
from cdktf_cdktf_provider_google.monitoring_notification_channel import MonitoringNotificationChannel
from constructs import Construct

SPENT = (0.5, 0.9, 1.0)


@dataclass(frozen=True, kw_only=True)
class BudgetProps:
    """A monthly sum for one project, and the address that hears of it."""

    name: str
    project: str
    project_number: str
    billing_account: str
    monthly: int
    currency: str
    email: str
    labels: Mapping[str, str]
    depends_on: Sequence[ITerraformDependable]


class Budget(Construct):
    """Creates a monthly budget of the project and the channel of its mails: at half, nine tenths and all of it, and when all is forecast.

    Deliberately stops nothing: switching billing off would take endpoints down and could delete data. Credits are not deducted, so that
    a free trial does not hide what things cost.
    """

    def __init__(self, scope: Construct, id: str, props: BudgetProps) -> None:
        super().__init__(scope, id)
        channel = MonitoringNotificationChannel(
            self,
            "channel",
            project=props.project,
            display_name=props.name,
            type="email",
            labels={"email_address": props.email},
            user_labels=props.labels,
            depends_on=props.depends_on,
        )
        BillingBudget(
            self,
            "budget",
            billing_account=props.billing_account,
            display_name=props.name,
            budget_filter=BillingBudgetBudgetFilter(
                projects=[f"projects/{props.project_number}"], calendar_period="MONTH", credit_types_treatment="EXCLUDE_ALL_CREDITS"
            ),
            amount=BillingBudgetAmount(
                specified_amount=BillingBudgetAmountSpecifiedAmount(currency_code=props.currency, units=str(props.monthly))
            ),
            threshold_rules=[
                *(BillingBudgetThresholdRules(threshold_percent=share, spend_basis="CURRENT_SPEND") for share in SPENT),
                BillingBudgetThresholdRules(threshold_percent=1.0, spend_basis="FORECASTED_SPEND"),
            ],
            all_updates_rule=BillingBudgetAllUpdatesRule(
                monitoring_notification_channels=[channel.name], disable_default_iam_recipients=False
            ),
            depends_on=props.depends_on,
        )
