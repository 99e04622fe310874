package com.amazonaws.services.lambda.runtime;

/** Stands in for the interface of this name in aws-lambda-java-core. */
public interface Client {
    String getInstallationId();

    String getAppTitle();

    String getAppVersionName();

    String getAppVersionCode();

    String getAppPackageName();
}
